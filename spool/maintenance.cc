#include "spool/maintenance.h"

#include <algorithm>
#include <utility>

#include "spool/object_sweep.h"

namespace doagent::spool {
namespace {

// A seal leaves a handful of keys behind. To find out what is unused, everything is looked at.
constexpr std::size_t kSealsPerSweep = 4;

}  // namespace

Result<std::unique_ptr<Maintenance>> Maintenance::Prepare(Writer& writer,
                                                          const SealPolicy& policy) {
  DOAGENT_ASSIGN(auto sealer, Sealer::Prepare(writer));
  return std::unique_ptr<Maintenance>(new Maintenance(writer, policy, std::move(sealer)));
}

void Maintenance::NoteRow(OriginNumber origin, Sequence sequence, WallTime now) {
  Unsealed& unsealed = unsealed_[origin];
  if (unsealed.rows++ == 0) unsealed.since = now;
  unsealed.from = std::min(unsealed.from, sequence);
}

bool Maintenance::Due(OriginNumber origin, WallTime now) const {
  const auto found = unsealed_.find(origin);
  if (found == unsealed_.end()) return false;
  const Unsealed& unsealed = found->second;
  return unsealed.look || unsealed.rows >= policy_.snapshots ||
         (unsealed.rows > 0 && now - unsealed.since >= policy_.age);
}

Result<bool> Maintenance::Seal(const OriginExtent& extent, WallTime now) {
  Unsealed& unsealed = unsealed_[extent.number];
  const bool old = unsealed.rows > 0 && now - unsealed.since >= policy_.age;
  DOAGENT_ASSIGN(const auto sealed, sealer_->SealNext(extent.number, extent.complete, unsealed.from,
                                                      {policy_.snapshots, old || extent.finished}));
  if (!sealed) {
    // What is due by number or age and cannot be sealed is damaged; it counts no more.
    if (!std::exchange(unsealed.look, false)) unsealed.rows = 0;
    return false;
  }
  ++seals_since_sweep_;
  unsealed.from = sealed->range.last + 1;
  unsealed.rows -= std::min(unsealed.rows, sealed->snapshots);
  unsealed.since = now;
  return true;
}

Result<bool> Maintenance::SealBacklog(const OriginExtent& extent, Sequence from) {
  Unsealed& unsealed = unsealed_[extent.number];
  if (policy_.backlog == 0 || unsealed.rows < policy_.backlog) return false;
  bool any = false;
  const Sequence last = extent.complete.empty() ? 0 : extent.complete.last();
  while (from <= last && last - from + 1 >= policy_.backlog) {
    auto tried = sealer_->SealNext(extent.number, extent.complete, from, {policy_.snapshots, true});
    // What was sealed before it failed counts: whoever asked has to look anew.
    if (!tried && !any) return Fail(std::move(tried).error());
    if (!tried || !*tried) break;
    const auto& sealed = *tried;
    any = true;
    ++seals_since_sweep_;
    from = sealed->range.last + 1;
    unsealed.rows -= std::min(unsealed.rows, sealed->snapshots);
  }
  return any;
}

Result<void> Maintenance::Sweep(std::optional<std::int64_t> key) {
  if (seals_since_sweep_ < kSealsPerSweep) return {};
  DOAGENT_ASSIGN(Transaction transaction, writer_.Begin());
  DOAGENT_TRY(SweepObjects(writer_.database(), writer_.objects(), key));
  DOAGENT_TRY(transaction.Commit());
  seals_since_sweep_ = 0;
  return {};
}

}  // namespace doagent::spool
