#include "spool/space_budget.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "spool/file_system.h"
#include "spool/layout.h"
#include "spool/salvage.h"
#include "spool/set_aside.h"

namespace doagent::spool {
namespace {

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
// For want of space something goes before the limit is reached: what comes until the next look has
// to fit in, and a block before its rows go. So much; of a small spool, no more than this part.
constexpr std::uint64_t kMarginBytes = 16 << 20;
constexpr std::uint64_t kMarginPartOfSpool = 16;

std::string Mebibytes(std::uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
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

}  // namespace

SpaceBudget::SpaceBudget(Database& database, ReserveFile& reserve, const RetentionPolicy& policy)
    : database_(database),
      reserve_(reserve),
      policy_(policy),
      room_wanted_(RoomWanted(database.path(), policy)) {}

Result<SpaceBudget::Space> SpaceBudget::Measure() {
  DOAGENT_ASSIGN(const std::int64_t pages, database_.QueryInteger("PRAGMA page_count"));
  DOAGENT_ASSIGN(const std::int64_t free_pages, database_.QueryInteger("PRAGMA freelist_count"));
  DOAGENT_ASSIGN(const std::int64_t page_bytes, database_.QueryInteger("PRAGMA page_size"));
  Space space;
  space.pages_bytes = static_cast<std::uint64_t>(pages * page_bytes);
  space.spare_bytes = static_cast<std::uint64_t>(free_pages * page_bytes);
  space.file_bytes = database_.BlocksBytes();
  std::error_code none;
  const std::uintmax_t log = std::filesystem::file_size(database_.path() + "-wal", none);
  // What one large transaction left is not worth a record.
  const bool cut = !none && log > kLogBytes && database_.CopyLog();
  if (!none) space.beside_bytes += cut ? kLogBytes : log;
  space.beside_bytes += reserve_.bytes();
  for (const auto& aside : FilesSetAside(database_.path())) {
    DOAGENT_ASSIGN(const bool taken_over, WasSalvaged(database_, aside.filename().string()));
    (taken_over ? space.beside_bytes : space.awaited_bytes) += BytesOfSet(aside);
  }
  space.disk_free_bytes =
      policy_.disk_free_bytes ? policy_.disk_free_bytes() : DiskFreeBytes(database_.path());
  return space;
}

std::uint64_t SpaceBudget::Margin() const {
  return std::min(kMarginBytes, policy_.bytes_max / kMarginPartOfSpool);
}

bool SpaceBudget::DiskIsShort(const Space& space) const {
  return space.disk_free_bytes && *space.disk_free_bytes < policy_.disk_free_bytes_min;
}

std::string SpaceBudget::Want(const Space& space) {
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

void SpaceBudget::MakeRoom(const Space& space) {
  // With what was given up, the log may be copied now.
  const bool refused = std::exchange(write_refused_, false);
  if (refused) database_.CopyLog();
  disk_full_ = false;
  const std::uint64_t wanted = space.pages_bytes + room_wanted_;
  kept_bytes_ = std::min(kept_bytes_, wanted);
  const std::uint64_t growth = wanted > space.file_bytes ? wanted - space.file_bytes : 0;
  if (policy_.disk_free_bytes_min > 0 && space.disk_free_bytes &&
      *space.disk_free_bytes < policy_.disk_free_bytes_min + growth) {
    // What is to stay free is room enough: nothing else is kept.
    kept_bytes_ = 0;
    if (space.file_bytes > space.pages_bytes + kRoomBytesMin) database_.CopyLog();
    return;
  }
  // Not a little at every turn.
  if (growth <= room_wanted_ / 4) return;
  auto kept = database_.KeepBlocks(wanted);
  // Where it cannot be known before, a write has to be refused first.
  disk_full_ = kept ? !*kept : refused;
  // On a full disk, what there still is: others would take it.
  std::uint64_t less = growth;
  while (kept == false && less > kRoomBytesMin) {
    less /= 2;
    kept = database_.KeepBlocks(wanted - growth + less);
  }
  if (kept == true) kept_bytes_ = wanted - growth + (disk_full_ ? less : growth);
}

bool SpaceBudget::KeepRoom() {
  if (kept_bytes_ == 0 || database_.BlocksBytes() >= kept_bytes_) return true;
  if (database_.KeepBlocks(kept_bytes_) == true) return true;
  kept_bytes_ = 0;
  return false;
}

Result<bool> SpaceBudget::GiveUpWreck() {
  for (const auto& aside : FilesSetAside(database_.path())) {
    DOAGENT_ASSIGN(const bool taken_over, WasSalvaged(database_, aside.filename().string()));
    if (taken_over && RemoveSetAside(aside)) return true;
  }
  return false;
}

Result<bool> SpaceBudget::GiveUpDamaged() {
  DOAGENT_TRY(
      database_.Execute("DELETE FROM damaged WHERE id IN "
                        "(SELECT id FROM damaged ORDER BY found_unix_ms LIMIT 16)"));
  return database_.Changes() > 0;
}

Result<std::string> SpaceBudget::Look() {
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
  if (want.empty() && !disk_full_) reserve_.Restore();
  return want;
}

Result<bool> SpaceBudget::Vacuum() {
  DOAGENT_ASSIGN(const std::int64_t free_pages, database_.QueryInteger("PRAGMA freelist_count"));
  if (free_pages == 0) return false;
  DOAGENT_ASSIGN(const Space space, Measure());
  // Half the margin is left to free pages, which are soon used again.
  const bool too_large =
      policy_.bytes_max > 0 && space.TakenBytes() > policy_.bytes_max - Margin() / 2;
  const bool wanted = too_large || DiskIsShort(space);
  DOAGENT_ASSIGN(const std::int64_t pages, database_.QueryInteger("PRAGMA page_count"));
  if (disk_full_) {
    // They are kept for what comes next; but the file has to have all pages that are left.
    const auto page_bytes =
        static_cast<std::int64_t>(space.pages_bytes) / std::max<std::int64_t>(pages, 1);
    const auto beyond = pages - static_cast<std::int64_t>(space.file_bytes) / page_bytes;
    if (beyond <= 0) return false;
    const auto count = std::min<std::int64_t>({beyond, free_pages, kVacuumPages});
    DOAGENT_TRY(database_.Execute("PRAGMA incremental_vacuum(" + std::to_string(count) + ")"));
    database_.CopyLog();
    return true;
  }
  if (!wanted && free_pages < std::max(kFreePagesMin, pages / 8)) return false;
  kept_bytes_ = 0;  // that was for a longer file; the next look sees to it
  DOAGENT_TRY(database_.Execute("PRAGMA incremental_vacuum(" + std::to_string(kVacuumPages) + ")"));
  // The file gets shorter when the log is copied into it; that comes by itself, but not at once.
  if (wanted) database_.CopyLog();
  return true;
}

}  // namespace doagent::spool
