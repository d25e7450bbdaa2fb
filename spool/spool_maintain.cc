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

std::vector<Holding> Spool::Impl::Holdings() const {
  const std::lock_guard lock(state_mutex_);
  std::vector<Holding> holdings;
  for (const auto& [number, state] : states_) {
    Holding holding{number, number == current_, state.head, {}};
    if (!local_) {
      holding.delivered = state.delivery.acknowledged();
    } else if (state.head > 0) {
      holding.delivered.Add({1, state.head});
    }
    holdings.push_back(std::move(holding));
  }
  return holdings;
}

std::optional<StoredRecord> Spool::Impl::LossEvent(const Removal& removal, WallTime wall,
                                                   MonoTime mono) const {
  if (removal.kind == RemovalKind::kExpired) return std::nullopt;
  RangeSet lost = removal.sequences;
  SpoolId spool_id;
  {
    const std::lock_guard lock(state_mutex_);
    const OriginState& state = states_.at(removal.origin);
    if (!local_) {
      for (const auto& range : state.delivery.acknowledged().ToVector()) lost.Remove(range);
    }
    if (removal.origin != current_) spool_id = state.row.spool_id;
  }
  if (lost.empty()) return std::nullopt;
  const bool thinned = removal.kind == RemovalKind::kThinned;
  const Event event{thinned ? EventKind::kThinning : EventKind::kEviction,
                    wall,
                    mono,
                    boot_id_,
                    removal.reason,
                    spool_id,
                    {removal.range},
                    lost.count()};
  return EncodeEvent(event, incarnation_, NextSequence());
}

Result<bool> Spool::Impl::Retain(WallTime wall, MonoTime mono) {
  DOAGENT_ASSIGN(const auto removal, retention_->Choose(Holdings(), wall, mono));
  if (!removal) return retention_->Vacuum();
  const auto event = LossEvent(*removal, wall, mono);
  DOAGENT_TRY(Commit(/*acknowledgements_due=*/false, [&]() -> Result<void> {
    DOAGENT_TRY(retention_->Apply(*removal));
    if (!event) return {};
    return writer_->InsertRecord(CurrentNumber(), *event, std::nullopt);
  }));
  retention_->Applied(*removal);
  if (event) AdvanceHead(event->sequence);
  return true;
}

Result<bool> Spool::Impl::Maintain(WallTime wall, MonoTime mono) {
  const std::lock_guard lock(write_mutex_);
  for (const OriginExtent& extent : Extents()) {
    if (!maintenance_->Due(extent.number, wall)) continue;
    DOAGENT_ASSIGN(const bool sealed, maintenance_->Seal(extent, wall));
    if (sealed) return true;
  }
  DOAGENT_TRY(maintenance_->Sweep(key_number_));
  return Retain(wall, mono);
}

}  // namespace doagent::spool
