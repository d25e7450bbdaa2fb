#include "spool/retention.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "spool/explained.h"
#include "spool/file_system.h"
#include "spool/origin_table.h"
#include "spool/range_table.h"
#include "spool/salvage.h"
#include "spool/set_aside.h"

namespace doagent::spool {
namespace {

// Small steps: a transaction of this size takes milliseconds.
constexpr ReadLimits kPiece{256 << 10, 512};
constexpr std::size_t kVacuumPages = 256;
// Free pages that are kept for what is appended next.
constexpr std::int64_t kFreePagesMin = 512;
// What one run of the log may add to the file at most; of a small spool or disk, no more than this
// part of it.
constexpr std::uint64_t kRoomBytes = 1 << 20;
constexpr std::uint64_t kRoomBytesMin = 16 << 10;
constexpr std::uint64_t kRoomPartOfSpool = 64;
constexpr std::uint64_t kRoomPartOfDisk = 16;
// On a full disk, so much of the file is made free at most.
constexpr std::uint64_t kRoomPartOfFile = 4;
// How often the whole is looked at; what goes for want of space goes on at once.
constexpr Nanoseconds kLookEvery = std::chrono::seconds(10);
constexpr Nanoseconds kLookNearLimitEvery = std::chrono::seconds(1);
// For want of space something goes before the limit is reached: what comes until the next look has
// to fit in, and a block before its rows go. So much; of a small spool, no more than this part.
constexpr std::uint64_t kMarginBytes = 16 << 20;
constexpr std::uint64_t kMarginPartOfSpool = 16;
// The border between what is kept and what is old may move so many times as fast as time passes: a
// wall clock that is years ahead by mistake takes hours of history with it at most, not all of it.
constexpr int kHorizonSpeed = 2;
// One snapshot in 2^6 stays at least.
constexpr int kThinningLevelMax = 6;
// The newest quarter of what is undelivered is thinned last: what is newest is what people look at.
constexpr Sequence kSparedShare = 4;
constexpr const char* kHorizon = "retention_horizon_unix_ns";

std::string Mebibytes(std::uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

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

std::optional<std::uint64_t> DiskFreeBytes(const std::string& path) {
  const auto disk = DiskSpaceAt(path);
  return disk ? std::optional(disk->free_bytes) : std::nullopt;
}

std::uint64_t RoomWanted(const std::string& path, const RetentionPolicy& policy) {
  std::uint64_t bytes = kRoomBytes;
  if (policy.bytes_max > 0) bytes = std::min(bytes, policy.bytes_max / kRoomPartOfSpool);
  if (const auto disk = DiskSpaceAt(path)) {
    bytes = std::min(bytes, disk->total_bytes / kRoomPartOfDisk);
  }
  return std::max(bytes, kRoomBytesMin);
}

Removal RemovalOf(OriginNumber origin, const StoredBlock& block) {
  Removal removal;
  removal.origin = origin;
  removal.range = block.range;
  removal.block = true;
  removal.sequences = SequencesOf(block);
  removal.time = FromUnixNanoseconds(block.last_time_unix_ns);
  return removal;
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
  std::unique_ptr<Retention> retention(
      new Retention(writer, sealer, reserve, std::move(runs), policy));
  DOAGENT_ASSIGN(const auto horizon, LoadMetaInteger(writer.database(), kHorizon));
  if (horizon) retention->horizon_ = FromUnixNanoseconds(*horizon);
  retention->room_wanted_ = RoomWanted(writer.database().path(), policy);
  return retention;
}

Result<Retention::Space> Retention::Measure() {
  Database& database = writer_.database();
  DOAGENT_ASSIGN(const std::int64_t pages, database.QueryInteger("PRAGMA page_count"));
  DOAGENT_ASSIGN(const std::int64_t free_pages, database.QueryInteger("PRAGMA freelist_count"));
  DOAGENT_ASSIGN(const std::int64_t page_bytes, database.QueryInteger("PRAGMA page_size"));
  Space space;
  space.pages_bytes = static_cast<std::uint64_t>(pages * page_bytes);
  space.spare_bytes = static_cast<std::uint64_t>(free_pages * page_bytes);
  space.file_bytes = database.BlocksBytes();
  std::error_code none;
  const std::uintmax_t log = std::filesystem::file_size(database.path() + "-wal", none);
  // What one large transaction left is not worth a record.
  const bool cut = log > kLogBytes && database.CopyLog();
  if (!none) space.beside_bytes += cut ? kLogBytes : log;
  space.beside_bytes += reserve_.bytes();
  for (const auto& aside : FilesSetAside(database.path())) {
    DOAGENT_ASSIGN(const bool taken_over, WasSalvaged(database, aside.filename().string()));
    (taken_over ? space.beside_bytes : space.awaited_bytes) += BytesOfSet(aside);
  }
  space.disk_free_bytes =
      policy_.disk_free_bytes ? policy_.disk_free_bytes() : DiskFreeBytes(database.path());
  return space;
}

std::uint64_t Retention::Margin() const {
  return std::min(kMarginBytes, policy_.bytes_max / kMarginPartOfSpool);
}

bool Retention::DiskIsShort(const Space& space) const {
  return space.disk_free_bytes && *space.disk_free_bytes < policy_.disk_free_bytes_min;
}

std::string Retention::Want(const Space& space) {
  if (policy_.bytes_max > 0 && space.UsedBytes() > policy_.bytes_max - Margin()) {
    return "the spool may have " + Mebibytes(policy_.bytes_max);
  }
  // In one go when there is little, rather than a little at every turn.
  const std::uint64_t enough = std::min(room_wanted_, space.file_bytes / kRoomPartOfFile);
  making_room_ = disk_full_ && space.Room() < (making_room_ ? enough : enough / 2);
  if (making_room_) return "the disk is full";
  // What is about to be given back counts as given back.
  if (DiskIsShort(space) && *space.disk_free_bytes + space.Room() < policy_.disk_free_bytes_min) {
    return "the disk has " + Mebibytes(*space.disk_free_bytes) + " left, " +
           Mebibytes(policy_.disk_free_bytes_min) + " are to stay free";
  }
  return "";
}

void Retention::NoteDiskFull() {
  write_refused_ = true;
  looked_ = false;
}

void Retention::MakeRoom(const Space& space) {
  Database& database = writer_.database();
  // With what was given up, the log may be copied now.
  const bool refused = std::exchange(write_refused_, false);
  if (refused) database.CopyLog();
  disk_full_ = false;
  const std::uint64_t wanted = space.pages_bytes + room_wanted_;
  kept_bytes_ = std::min(kept_bytes_, wanted);
  const std::uint64_t growth = wanted > space.file_bytes ? wanted - space.file_bytes : 0;
  if (policy_.disk_free_bytes_min > 0 && space.disk_free_bytes &&
      *space.disk_free_bytes < policy_.disk_free_bytes_min + growth) {
    // What is to stay free is room enough: nothing else is kept.
    kept_bytes_ = 0;
    if (space.file_bytes > space.pages_bytes + kRoomBytesMin) database.CopyLog();
    return;
  }
  // Not a little at every turn.
  if (growth <= room_wanted_ / 4) return;
  auto kept = database.KeepBlocks(wanted);
  // Where it cannot be known before, a write has to be refused first.
  disk_full_ = kept ? !*kept : refused;
  // On a full disk, what there still is: others would take it.
  std::uint64_t less = growth;
  while (kept == false && less > kRoomBytesMin) {
    less /= 2;
    kept = database.KeepBlocks(wanted - growth + less);
  }
  if (kept == true) kept_bytes_ = wanted - growth + (disk_full_ ? less : growth);
}

void Retention::KeepRoom() {
  if (kept_bytes_ == 0 || writer_.database().BlocksBytes() >= kept_bytes_) return;
  if (writer_.database().KeepBlocks(kept_bytes_) == true) return;
  kept_bytes_ = 0;
  looked_ = false;
}

Result<bool> Retention::GiveUpWreck() {
  for (const auto& aside : FilesSetAside(writer_.database().path())) {
    DOAGENT_ASSIGN(const bool taken_over,
                   WasSalvaged(writer_.database(), aside.filename().string()));
    if (taken_over && RemoveSetAside(aside)) return true;
  }
  return false;
}

Result<bool> Retention::GiveUpDamaged() {
  Database& database = writer_.database();
  DOAGENT_TRY(
      database.Execute("DELETE FROM damaged WHERE id IN "
                       "(SELECT id FROM damaged ORDER BY found_unix_ms LIMIT 16)"));
  return database.Changes() > 0;
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

Result<std::optional<Removal>> Retention::First(OriginNumber origin, const RangeSet& allowed,
                                                WallTime before) {
  for (const auto& range : allowed.ToVector()) {
    for (Sequence next = range.first; next <= range.last;) {
      DOAGENT_ASSIGN(const auto run, runs_.Next(origin, next, range.last, kPiece));
      if (!run) break;
      next = run->covered.last + 1;
      if (run->block) {
        Removal removal = RemovalOf(origin, *run->block);
        next = run->block->range.last + 1;
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
        DOAGENT_TRY(AddTold(writer_.database(), origin, record, removal.told));
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
  std::optional<Removal> oldest;
  for (const Holding& holding : holdings) {
    DOAGENT_ASSIGN(auto removal, First(holding.number, holding.delivered, before));
    TakeOlder(oldest, std::move(removal));
  }
  return oldest;
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
    if (!block || block->range.last > last) return std::nullopt;
    Removal removal = RemovalOf(holding.number, *block);
    if (removal.time >= before) return std::nullopt;
    const std::uint64_t count = removal.sequences.count();
    const bool thin_enough = count < 2 || count << level < block->range.count() + 1;
    if (!thin_enough && !Within(removal.sequences, holding.delivered)) {
      removal.kind = RemovalKind::kThinned;
      removal.sequences = EverySecond(removal.sequences);
      return removal;
    }
    done = block->range.last;
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
    Removal removal = RemovalOf(holding.number, *block);
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
    if (!removal) thinning_ = chosen_thinning_;
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
  if (looked_ && mono - looked_at_ < (near_limit_ ? kLookNearLimitEvery : kLookEvery)) {
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
    DOAGENT_ASSIGN(Space space, Measure());
    MakeRoom(space);
    DOAGENT_ASSIGN(space, Measure());
    std::string want = Want(space);
    while (!want.empty()) {
      DOAGENT_ASSIGN(bool given_up, GiveUpWreck());
      if (!given_up) {
        DOAGENT_ASSIGN(given_up, GiveUpDamaged());
      }
      if (!given_up) break;
      DOAGENT_ASSIGN(space, Measure());
      want = Want(space);
    }
    near_limit_ = policy_.bytes_max > 0 && space.TakenBytes() > policy_.bytes_max - 2 * Margin();
    if (want.empty()) {
      thinning_ = ThinningPass();
      if (!disk_full_) reserve_.Restore();
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

Result<void> Retention::Apply(const Removal& removal) {
  Database& database = writer_.database();
  if (removal.kind == RemovalKind::kThinned) {
    DOAGENT_TRY(sealer_.Thin(removal.origin, removal.range.first, removal.sequences));
  } else if (removal.block) {
    DOAGENT_TRY(writer_.blocks().Remove(removal.origin, removal.range.first));
  } else {
    for (const auto& [first, last] : removal.sequences.ToVector()) {
      for (Sequence sequence = first; sequence <= last; ++sequence) {
        DOAGENT_TRY(writer_.records().Remove(removal.origin, sequence));
      }
    }
  }
  DOAGENT_ASSIGN(Statement forget_parked,
                 database.Prepare("DELETE FROM parked WHERE id BETWEEN ? AND ?"));
  for (const auto& [first, last] : removal.sequences.ToVector()) {
    DOAGENT_TRY(
        forget_parked.Bind(PackId(removal.origin, first), PackId(removal.origin, last)).Run());
  }
  // The whole range, of which the rest is still stored: its neighbours' are joined to it, so that
  // the list stays short.
  DOAGENT_TRY(AddRemoved(database, removal.origin, static_cast<std::int64_t>(removal.kind),
                         RangeSet({removal.range})));
  for (const auto& [origin, ranges] : removal.told) {
    DOAGENT_TRY(
        AddRemoved(database, origin, static_cast<std::int64_t>(RemovalKind::kLost), ranges));
  }
  if (!horizon_) return {};
  return StoreMetaInteger(database, kHorizon, UnixNanoseconds(*horizon_));
}

void Retention::Applied(const Removal& removal) {
  if (removal.kind == RemovalKind::kThinned) thinning_ = chosen_thinning_;
}

Result<bool> Retention::Vacuum() {
  Database& database = writer_.database();
  DOAGENT_ASSIGN(const std::int64_t free_pages, database.QueryInteger("PRAGMA freelist_count"));
  if (free_pages == 0) return false;
  DOAGENT_ASSIGN(const Space space, Measure());
  // Half the margin is left to free pages, which are soon used again.
  const bool too_large =
      policy_.bytes_max > 0 && space.TakenBytes() > policy_.bytes_max - Margin() / 2;
  const bool wanted = too_large || DiskIsShort(space);
  DOAGENT_ASSIGN(const std::int64_t pages, database.QueryInteger("PRAGMA page_count"));
  if (disk_full_) {
    // They are kept for what comes next; but the file has to have all pages that are left.
    const auto page_bytes =
        static_cast<std::int64_t>(space.pages_bytes) / std::max<std::int64_t>(pages, 1);
    const auto beyond = pages - static_cast<std::int64_t>(space.file_bytes) / page_bytes;
    if (beyond <= 0) return false;
    const auto count = std::min<std::int64_t>({beyond, free_pages, kVacuumPages});
    DOAGENT_TRY(database.Execute("PRAGMA incremental_vacuum(" + std::to_string(count) + ")"));
    database.CopyLog();
    return true;
  }
  if (!wanted && free_pages < std::max(kFreePagesMin, pages / 8)) return false;
  kept_bytes_ = 0;  // that was for a longer file; the next look sees to it
  DOAGENT_TRY(database.Execute("PRAGMA incremental_vacuum(" + std::to_string(kVacuumPages) + ")"));
  // The file gets shorter when the log is copied into it; that comes by itself, but not at once.
  if (wanted) database.CopyLog();
  return true;
}

}  // namespace doagent::spool
