// What the uploader asks of the Spool: what is pending, and what became of it.

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "spool/object_codec.h"
#include "spool/range_table.h"
#include "spool/spool_impl.h"

namespace doagent::spool {

template <typename Work>
auto Spool::Impl::Reading(const Work& work) -> decltype(work()) {
  if (!runs_ || !objects_) {
    return Fail(ErrorCode::kRetry, path_.string(), "is not open at the moment");
  }
  auto result = work();
  if (!result && result.error().code == ErrorCode::kSalvage) {
    // The next append replaces the file.
    const std::lock_guard lock(state_mutex_);
    damage_seen_ = result.error().what;
  }
  return result;
}

Result<std::vector<Claim>> Spool::Impl::Claims() {
  const std::lock_guard lock(state_mutex_);
  if (Current().row.spool_id.IsZero()) {
    return Fail(ErrorCode::kRetry, path_.string(), "could not be opened yet");
  }
  std::vector<Claim> claims;
  for (const auto& [number, state] : states_) {
    const auto& row = state.row;
    const auto pending = state.delivery.settled().NextAbsent(row.first_sequence, state.head);
    const bool current = number == current_;
    const bool empty = state.head < row.first_sequence;
    if (empty && !current) continue;
    Claim claim{row.spool_id,
                row.host,
                current,
                row.incarnations,
                pending ? pending->first : std::max(state.head + 1, row.first_sequence),
                state.head};
    claims.push_back(std::move(claim));
  }
  const auto rank = [](const Claim& claim) {
    if (claim.current) return 0;
    return claim.first_pending <= claim.head ? 1 : 2;
  };
  std::stable_sort(claims.begin(), claims.end(),
                   [&rank](const Claim& a, const Claim& b) { return rank(a) < rank(b); });
  return claims;
}

Result<PendingRecords> Spool::Impl::NextPending(const SpoolId& spool_id, const RangeSet& skip,
                                                std::size_t bytes_max) {
  const std::lock_guard read_lock(read_mutex_);
  for (;;) {
    OriginNumber number = 0;
    std::optional<SequenceRange> range;
    {
      const std::lock_guard lock(state_mutex_);
      const OriginState* state = Find(spool_id);
      if (state == nullptr) return PendingRecords{spool_id, {}, {}};
      RangeSet busy = state->delivery.settled();
      busy.Add(skip);
      number = state->row.number;
      range = busy.NextAbsent(state->row.first_sequence, state->head);
    }
    if (!range) return PendingRecords{spool_id, {}, {}};
    DOAGENT_ASSIGN(auto run, Reading([&] {
                     return runs_->Next(number, range->first, range->last,
                                        {bytes_max, ReadLimits().records_max});
                   }));
    if (run) return PendingRecords{spool_id, std::move(run->records), std::move(run->block)};
    // Nothing is stored there, so nothing is pending either.
    const std::lock_guard lock(state_mutex_);
    if (OriginState* state = Find(spool_id)) state->delivery.AddHole(*range);
  }
}

Result<PendingRecords> Spool::Impl::Read(const SpoolId& spool_id, SequenceRange range) {
  const std::lock_guard read_lock(read_mutex_);
  OriginNumber number = 0;
  {
    const std::lock_guard lock(state_mutex_);
    const OriginState* state = Find(spool_id);
    if (state == nullptr) {
      return Fail(ErrorCode::kRefuse, path_.string(), "has no records of " + spool_id.Hex());
    }
    number = state->row.number;
  }
  DOAGENT_ASSIGN(auto run, Reading([&] {
                   return runs_->Next(number, range.first, range.last, ReadLimits());
                 }));
  if (!run) return PendingRecords{spool_id, {}, {}};
  return PendingRecords{spool_id, std::move(run->records), std::move(run->block)};
}

Result<std::vector<StoredObject>> Spool::Impl::Objects(const std::vector<ObjectId>& ids) {
  const std::lock_guard read_lock(read_mutex_);
  std::vector<StoredObject> ordered;
  std::unordered_set<ObjectId, ObjectId::Hash> done;
  // Depth first: what an object names is put before it. Three levels, so recursion is bounded.
  const std::function<Result<void>(const ObjectId&)> add = [&](const ObjectId& id) -> Result<void> {
    if (!done.insert(id).second) return {};
    DOAGENT_ASSIGN(StoredObject object, Reading([&] { return objects_->Get(id); }));
    DOAGENT_ASSIGN(const std::string content, OpenObject(object));
    DOAGENT_ASSIGN(const auto dependencies, Dependencies(object.kind, content));
    for (const auto& dependency : dependencies) DOAGENT_TRY(add(dependency));
    ordered.push_back(std::move(object));
    return {};
  };
  for (const auto& id : ids) DOAGENT_TRY(add(id));
  return ordered;
}

void Spool::Impl::Acknowledge(const SpoolId& spool_id, const ReceiverId& receiver,
                              const RangeSet& ranges) {
  const std::lock_guard lock(state_mutex_);
  OriginState* state = Find(spool_id);
  if (state == nullptr || state->head == 0) return;
  // Whoever acknowledges what we do not have must not make us skip it later.
  RangeSet ours;
  for (const auto& range : ranges.Within({state->row.first_sequence, state->head})) ours.Add(range);
  state->delivery.Acknowledge(receiver, ours);
}

RangeSet Spool::Impl::Acknowledged(const SpoolId& spool_id, const ReceiverId& receiver) const {
  const std::lock_guard lock(state_mutex_);
  const OriginState* state = Find(spool_id);
  return state == nullptr ? RangeSet() : state->delivery.acknowledged(receiver);
}

ReceiverId Spool::Impl::LatestReceiver() const {
  const std::lock_guard lock(state_mutex_);
  ReceiverId latest = states_.at(current_).delivery.newest_receiver();
  for (auto state = states_.rbegin(); latest.IsZero() && state != states_.rend(); ++state) {
    latest = state->second.delivery.newest_receiver();
  }
  return latest;
}

Result<void> Spool::Impl::Unacknowledge(const SpoolId& spool_id, const ReceiverId& receiver,
                                        const RangeSet& ranges) {
  const std::lock_guard write_lock(write_mutex_);
  {
    const std::lock_guard lock(state_mutex_);
    OriginState* state = Find(spool_id);
    if (state == nullptr) return {};
    state->delivery.Unacknowledge(receiver, ranges);
  }
  DOAGENT_TRY(MakeReadyAndFlush());
  OriginNumber number = 0;
  RangeSet left;
  {
    // In a file that replaced the other, another origin may have its number.
    const std::lock_guard lock(state_mutex_);
    const OriginState* state = Find(spool_id);
    if (state == nullptr) return {};
    left = state->delivery.acknowledged(receiver);
    number = state->row.number;
  }
  return Commit(/*acknowledgements_due=*/false, [&]() -> Result<void> {
    DOAGENT_ASSIGN(const ReceiverNumber receiver_number,
                   PutReceiver(writer_->database(), receiver));
    return ReplaceDelivered(writer_->database(), number, receiver_number, left);
  });
}

Result<void> Spool::Impl::Park(const SpoolId& spool_id, const RangeSet& sequences,
                               const std::string& reason, WallTime wall, MonoTime mono) {
  const std::lock_guard write_lock(write_mutex_);
  DOAGENT_TRY(MakeReadyAndFlush());
  OriginNumber number = 0;
  OriginNumber current = 0;
  {
    const std::lock_guard lock(state_mutex_);
    const OriginState* state = Find(spool_id);
    if (state == nullptr) {
      return Fail(ErrorCode::kRefuse, path_.string(), "has no records of " + spool_id.Hex());
    }
    number = state->row.number;
    current = current_;
  }
  const Event event{EventKind::kPark,
                    wall,
                    mono,
                    boot_id_,
                    reason,
                    number == current ? SpoolId() : spool_id,
                    sequences.ToVector(),
                    sequences.count()};
  const StoredRecord record = EncodeEvent(event, incarnation_, NextSequence());
  DOAGENT_TRY(Commit(/*acknowledgements_due=*/false, [&]() -> Result<void> {
    DOAGENT_ASSIGN(Statement insert,
                   writer_->database().Prepare("INSERT OR REPLACE INTO parked"
                                               "(id, parked_unix_ms, reason) VALUES(?, ?, ?)"));
    for (const auto& [first, last] : event.ranges) {
      for (Sequence sequence = first; sequence <= last; ++sequence) {
        DOAGENT_TRY(insert.Bind(PackId(number, sequence), UnixMilliseconds(wall), reason).Run());
      }
    }
    return writer_->InsertRecord(current, record, std::nullopt);
  }));
  AdvanceHead(record.sequence);
  const std::lock_guard lock(state_mutex_);
  if (OriginState* state = Find(spool_id)) state->delivery.Park(sequences);
  return {};
}

}  // namespace doagent::spool
