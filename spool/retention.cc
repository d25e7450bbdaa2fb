#include "spool/retention.h"

#include <algorithm>
#include <utility>

#include "spool/explained.h"
#include "spool/origin_table.h"
#include "spool/range_table.h"

namespace doagent::spool {
namespace {

// Small steps: a transaction of this size takes milliseconds.
constexpr ReadLimits kPiece{256 << 10, 512};
constexpr ReadLimits kOne{kPiece.bytes_max, 1};
// How often the whole is looked at; what goes for want of space goes on at once.
constexpr Nanoseconds kLookEvery = std::chrono::seconds(10);
constexpr Nanoseconds kLookNearLimitEvery = std::chrono::seconds(1);
// The border between what is kept and what is old may move so many times as fast as time passes: a
// wall clock that is years ahead by mistake takes hours of history with it at most, not all of it.
constexpr int kHorizonSpeed = 2;
// One snapshot in 2^6 stays at least.
constexpr int kThinningLevelMax = 6;
// The newest quarter of what is undelivered is thinned last: what is newest is what people look at.
constexpr Sequence kSparedShare = 4;
constexpr const char* kHorizon = "retention_horizon_unix_ns";

// Every second one of them.
RangeSet EverySecond(const RangeSet& sequences) {
  RangeSet second;
  bool keep = true;
  for (const auto& [first, last] : sequences.ToVector()) {
    for (Sequence sequence = first; sequence <= last; ++sequence, keep = !keep) {
      if (!keep) second.Add({sequence, sequence});
    }
  }
  return second;
}

void TakeOlder(std::optional<Removal>& oldest, std::optional<Removal> other) {
  if (other && (!oldest || other->time < oldest->time)) oldest = std::move(other);
}

bool Within(const RangeSet& inner, const RangeSet& outer) {
  const auto ranges = inner.ToVector();
  return std::all_of(ranges.begin(), ranges.end(),
                     [&outer](const SequenceRange& range) { return outer.Contains(range); });
}

}  // namespace

Result<std::unique_ptr<Retention>> Retention::Prepare(Writer& writer, Sealer& sealer,
                                                      ReserveFile& reserve,
                                                      const RetentionPolicy& policy) {
  DOAGENT_ASSIGN(RunReader runs, RunReader::Prepare(writer.database()));
  std::unique_ptr<Retention> retention(new Retention(
      writer, sealer, std::move(runs), policy, SpaceBudget(writer.database(), reserve, policy)));
  DOAGENT_ASSIGN(const auto horizon, LoadMetaInteger(writer.database(), kHorizon));
  if (horizon) retention->horizon_ = FromUnixNanoseconds(*horizon);
  return retention;
}

void Retention::NoteDiskFull() {
  space_.NoteDiskFull();
  looked_ = false;
}

void Retention::KeepRoom() {
  if (!space_.KeepRoom()) looked_ = false;
}

Result<void> Retention::MoveHorizon(WallTime wall, MonoTime mono) {
  const WallTime wanted = wall - policy_.age;
  if (!horizon_) {
    // At once: the next start may be one with a clock that is years ahead. On a full disk, with
    // the first removal.
    auto stored = StoreMetaInteger(writer_.database(), kHorizon, UnixNanoseconds(wanted));
    if (!stored && stored.error().code != ErrorCode::kEvict) return Fail(stored.error());
    horizon_ = wanted;
  } else if (looked_) {
    horizon_ = std::min(wanted, *horizon_ + (mono - looked_at_) * kHorizonSpeed);
  } else {
    horizon_ = std::min(wanted, *horizon_);
  }
  return {};
}

Result<Removal> Retention::RemovalOf(OriginNumber origin, const StoredBlock& block) {
  Removal removal;
  removal.origin = origin;
  removal.block = true;
  removal.time = FromUnixNanoseconds(block.last_time_unix_ns);
  DOAGENT_ASSIGN(BlockExtent extent, runs_.ExtentOf(origin, block));
  removal.range = extent.range;
  removal.sequences = std::move(extent.sequences);
  return removal;
}

Result<std::optional<Removal>> Retention::First(OriginNumber origin, const RangeSet& allowed,
                                                WallTime before, const ReadLimits& limits) {
  for (const auto& range : allowed.ToVector()) {
    for (Sequence next = range.first; next <= range.last;) {
      DOAGENT_ASSIGN(const auto run, runs_.Next(origin, next, range.last, limits));
      if (!run) break;
      next = run->covered.last + 1;
      if (run->block) {
        DOAGENT_ASSIGN(Removal removal, RemovalOf(origin, *run->block));
        next = removal.range.last + 1;
        if (!Within(removal.sequences, allowed)) continue;
        if (removal.time >= before) return std::nullopt;
        return removal;
      }
      Removal removal;
      removal.origin = origin;
      removal.only_events = true;
      for (const auto& record : run->records) {
        const WallTime time = FromUnixNanoseconds(record.time_unix_ns);
        if (time >= before) break;
        removal.only_events = removal.only_events && record.kind == RecordKind::kEvent;
        removal.sequences.Add({record.sequence, record.sequence});
        removal.time = time;
      }
      if (removal.sequences.empty()) return std::nullopt;
      removal.range = {removal.sequences.first(), removal.sequences.last()};
      return removal;
    }
  }
  return std::nullopt;
}

Result<std::optional<Removal>> Retention::Oldest(const std::vector<Holding>& holdings,
                                                 WallTime before) {
  // A receiver may have the records of thousands: of each, one is looked at.
  std::optional<Removal> oldest;
  const Holding* whose = nullptr;
  for (const Holding& holding : holdings) {
    DOAGENT_ASSIGN(auto removal, First(holding.number, holding.delivered, before, kOne));
    if (!removal || (oldest && oldest->time <= removal->time)) continue;
    oldest = std::move(removal);
    whose = &holding;
  }
  if (!oldest || oldest->block) return oldest;
  return First(whose->number, whose->delivered, before, kPiece);
}

Result<Sequence> Retention::ThinUpTo(const Holding& holding, bool spare_newest) {
  if (!spare_newest || !holding.current || holding.head == 0) return holding.head;
  DOAGENT_ASSIGN(const auto oldest, runs_.blocks().FindHead(holding.number, 1, holding.head));
  if (!oldest) return Sequence{0};
  return holding.head - (holding.head - oldest->range.first) / kSparedShare;
}

Result<std::optional<Removal>> Retention::NextToThin(const Holding& holding, WallTime before,
                                                     Sequence last, int level, Sequence& done) {
  while (done < last) {
    DOAGENT_ASSIGN(const auto block, runs_.blocks().FindHead(holding.number, done + 1, last));
    if (!block) return std::nullopt;
    DOAGENT_ASSIGN(Removal removal, RemovalOf(holding.number, *block));
    if (removal.range.last > last || removal.time >= before) return std::nullopt;
    const std::uint64_t count = removal.sequences.count();
    const bool thin_enough = count < 2 || count << level < removal.range.count() + 1;
    if (!thin_enough && !Within(removal.sequences, holding.delivered)) {
      removal.kind = RemovalKind::kThinned;
      removal.sequences = EverySecond(removal.sequences);
      return removal;
    }
    done = removal.range.last;
  }
  return std::nullopt;
}

Result<std::optional<Removal>> Retention::Thin(const std::vector<Holding>& holdings,
                                               WallTime before, bool spare_newest,
                                               ThinningPass& pass) {
  for (; pass.level <= kThinningLevelMax; ++pass.level, pass.done.clear()) {
    std::optional<Removal> oldest;
    for (const Holding& holding : holdings) {
      DOAGENT_ASSIGN(const Sequence last, ThinUpTo(holding, spare_newest));
      DOAGENT_ASSIGN(auto removal,
                     NextToThin(holding, before, last, pass.level, pass.done[holding.number]));
      TakeOlder(oldest, std::move(removal));
    }
    if (!oldest) continue;
    pass.done[oldest->origin] = oldest->range.last;
    return oldest;
  }
  return std::nullopt;
}

Result<std::optional<Removal>> Retention::Drop(const std::vector<Holding>& holdings,
                                               WallTime before) {
  std::optional<Removal> oldest;
  for (const Holding& holding : holdings) {
    if (holding.head == 0) continue;
    DOAGENT_ASSIGN(const auto block, runs_.blocks().FindHead(holding.number, 1, holding.head));
    if (!block) continue;
    DOAGENT_ASSIGN(Removal removal, RemovalOf(holding.number, *block));
    if (removal.time < before) TakeOlder(oldest, std::move(removal));
  }
  return oldest;
}

Result<std::optional<Removal>> Retention::ForSpace(const std::vector<Holding>& holdings,
                                                   WallTime before) {
  chosen_thinning_ = thinning_;
  DOAGENT_ASSIGN(auto removal, Oldest(holdings, before));
  if (!removal) {
    DOAGENT_ASSIGN(removal, Thin(holdings, before, /*spare_newest=*/true, chosen_thinning_));
    // What is younger than the floor is still to be looked at.
    if (!removal && before == WallTime::max()) thinning_ = chosen_thinning_;
  }
  if (!removal) {
    ThinningPass again;
    DOAGENT_ASSIGN(removal, Thin(holdings, before, /*spare_newest=*/false, again));
  }
  if (!removal) {
    DOAGENT_ASSIGN(removal, Drop(holdings, before));
  }
  return removal;
}

Result<std::optional<Removal>> Retention::Choose(const std::vector<Holding>& holdings,
                                                 WallTime wall, MonoTime mono) {
  if (looked_ && mono - looked_at_ < (space_.near_limit() ? kLookNearLimitEvery : kLookEvery)) {
    return std::nullopt;
  }
  if (policy_.expires) DOAGENT_TRY(MoveHorizon(wall, mono));
  looked_at_ = mono;
  looked_ = true;
  std::optional<Removal> removal;
  if (policy_.expires) {
    DOAGENT_ASSIGN(removal, Oldest(holdings, *horizon_));
    if (removal) removal->reason = "older than is to be kept";
  }
  if (!removal) {
    DOAGENT_ASSIGN(const std::string want, space_.Look());
    if (want.empty()) {
      thinning_ = ThinningPass();
      return std::nullopt;
    }
    // What is younger than the floor only when nothing else is left.
    for (const WallTime before : {wall - policy_.floor, WallTime::max()}) {
      DOAGENT_ASSIGN(removal, ForSpace(holdings, before));
      if (removal) break;
    }
    if (!removal) return std::nullopt;
    if (removal->kind == RemovalKind::kExpired) removal->kind = RemovalKind::kEvicted;
    removal->reason = want;
  }
  looked_ = false;  // there may be more
  return removal;
}

Result<void> Retention::RemoveRecords(const Removal& removal) {
  Database& database = writer_.database();
  const auto& [first, last] = removal.range;
  DOAGENT_ASSIGN(const auto records, runs_.records().Read(removal.origin, first, last, kPiece));
  std::map<OriginNumber, RangeSet> told;
  for (const StoredRecord& record : records) {
    if (!removal.sequences.Contains(record.sequence)) continue;
    DOAGENT_TRY(AddTold(database, removal.origin, record, told));
    DOAGENT_TRY(writer_.records().Remove(removal.origin, record.sequence));
    DOAGENT_TRY(database.ExpectChange());
  }
  // What is missing stays explained when the event that says so is gone.
  for (const auto& [origin, ranges] : told) {
    DOAGENT_TRY(AddRemoved(database, origin, RemovalKind::kLost, ranges));
  }
  return {};
}

Result<void> Retention::Enter(const Removal& removal) {
  Database& database = writer_.database();
  SequenceRange range = removal.range;
  if (removal.kind == RemovalKind::kThinned) {
    return AddThinned(database, removal.origin, {range, removal.sequences.count()});
  }
  // Nothing is left of a block, so it does not matter how much was taken before. Its neighbours'
  // ranges are joined to it: the list stays short.
  if (removal.block) {
    DOAGENT_ASSIGN(const ThinnedRange thinned, TakeThinned(database, removal.origin, range));
    range = thinned.range;
  }
  return AddRemoved(database, removal.origin, removal.kind, RangeSet({range}));
}

Result<void> Retention::Apply(const Removal& removal) {
  Database& database = writer_.database();
  if (removal.kind == RemovalKind::kThinned) {
    DOAGENT_TRY(sealer_.Thin(removal.origin, removal.range.first, removal.sequences));
  } else if (removal.block) {
    DOAGENT_TRY(writer_.blocks().Remove(removal.origin, removal.range.first));
    DOAGENT_TRY(database.ExpectChange());
  } else {
    DOAGENT_TRY(RemoveRecords(removal));
  }
  DOAGENT_ASSIGN(Statement forget_parked,
                 database.Prepare("DELETE FROM parked WHERE id BETWEEN ? AND ?"));
  for (const auto& [first, last] : removal.sequences.ToVector()) {
    DOAGENT_TRY(
        forget_parked.Bind(PackId(removal.origin, first), PackId(removal.origin, last)).Run());
  }
  DOAGENT_TRY(Enter(removal));
  if (!horizon_) return {};
  return StoreMetaInteger(database, kHorizon, UnixNanoseconds(*horizon_));
}

void Retention::Applied(const Removal& removal) {
  if (removal.kind == RemovalKind::kThinned) thinning_ = chosen_thinning_;
}

}  // namespace doagent::spool
