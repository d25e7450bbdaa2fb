// What keeps the spool small: everything here holds the write lock.

#include <vector>

#include "spool/spool_impl.h"

namespace doagent::spool {

std::vector<OriginExtent> Spool::Impl::Extents() const {
  const std::lock_guard lock(state_mutex_);
  std::vector<OriginExtent> extents;
  for (const auto& [number, state] : states_) {
    OriginExtent extent{number, {}, number != current_};
    if (state.head > 0) extent.complete.Add({1, state.head});
    extents.push_back(std::move(extent));
  }
  return extents;
}

Result<bool> Spool::Impl::Maintain(WallTime now) {
  const std::lock_guard lock(write_mutex_);
  for (const OriginExtent& extent : Extents()) {
    if (!maintenance_->Due(extent.number, now)) continue;
    DOAGENT_ASSIGN(const bool sealed, maintenance_->Seal(extent, now));
    if (sealed) return true;
  }
  DOAGENT_TRY(maintenance_->Sweep(key_number_));
  return false;
}

}  // namespace doagent::spool
