// What the Database does to its write-ahead log beyond SQLite's own statements, through the files
// that SQLite has open.

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "spool/check.h"
#include "spool/sqlite.h"
#include "spool/sqlite_error.h"

namespace doagent::spool {
namespace {

// Page by page: of larger writes Linux keeps larger folios, and each commit would write a whole one
// of them.
constexpr std::size_t kLogPiece = 4096;

// What the shared memory of a log says of it, its first bytes ("The WAL-Index File Format",
// https://www.sqlite.org/walformat.html): numbers are in the host's byte order.
class LogIndex {
 public:
  // Nothing: the connection has no log open, or it could not be read.
  static std::optional<LogIndex> Read(sqlite3_file* database) {
    void volatile* mapped = nullptr;
    const auto* methods = database->pMethods;
    if (methods->iVersion < 2 ||
        methods->xShmMap(database, 0, kRegionBytes, /*extend=*/0, &mapped) != SQLITE_OK ||
        mapped == nullptr) {
      return std::nullopt;
    }
    LogIndex index;
    const auto* from = static_cast<const volatile std::uint8_t*>(mapped);
    std::copy(from, from + index.bytes_.size(), index.bytes_.begin());
    return index;
  }

  std::uint32_t frames() const { return Number(16); }
  std::uint32_t database_pages() const { return Number(20); }
  std::uint32_t frames_copied() const { return Number(96); }
  std::uint32_t page_bytes() const {
    std::uint16_t bytes = 0;
    std::memcpy(&bytes, &bytes_[14], sizeof bytes);
    return bytes;
  }
  // As the log's header has them.
  std::array<std::uint8_t, 8> salts() const {
    std::array<std::uint8_t, 8> salts;
    std::copy_n(bytes_.begin() + 32, salts.size(), salts.begin());
    return salts;
  }
  bool operator==(const LogIndex&) const = default;

 private:
  static constexpr int kRegionBytes = 32 << 10;

  std::uint32_t Number(std::size_t at) const {
    std::uint32_t number = 0;
    std::memcpy(&number, &bytes_[at], sizeof number);
    return number;
  }

  std::array<std::uint8_t, 100> bytes_{};
};

// Whether all the frames that the index speaks of can be in the log, and are of the run that it
// names.
bool LogIsWhole(sqlite3_file* log, const LogIndex& index) {
  constexpr std::int64_t kHeaderBytes = 32;
  constexpr std::int64_t kFrameHeaderBytes = 24;
  constexpr sqlite3_int64 kSaltsAt = 16;
  if (index.frames() == 0) return true;
  sqlite3_int64 bytes = 0;
  if (log->pMethods->xFileSize(log, &bytes) != SQLITE_OK) return true;
  const std::int64_t frame_bytes = kFrameHeaderBytes + index.page_bytes();
  if (bytes < kHeaderBytes + index.frames() * frame_bytes) return false;
  std::array<std::uint8_t, 8> salts{};
  return log->pMethods->xRead(log, salts.data(), salts.size(), kSaltsAt) != SQLITE_OK ||
         salts == index.salts();
}

}  // namespace

bool Database::CopyLog() {
  int log_frames = 0;
  int copied_frames = 0;
  const int code = sqlite3_wal_checkpoint_v2(handle_.get(), "main", SQLITE_CHECKPOINT_PASSIVE,
                                             &log_frames, &copied_frames);
  return code == SQLITE_OK && copied_frames == log_frames;
}

Result<void> Database::EmptyLog() {
  int log_frames = 0;
  int copied_frames = 0;
  const int code = sqlite3_wal_checkpoint_v2(handle_.get(), "main", SQLITE_CHECKPOINT_TRUNCATE,
                                             &log_frames, &copied_frames);
  if ((code & 0xff) == SQLITE_BUSY) {
    return Fail(ErrorCode::kBusy, path_,
                "another process keeps reading, so that the log cannot be emptied; end it");
  }
  if (code != SQLITE_OK) return FailWith(handle_.get(), path_, code);
  return {};
}

Result<void> Database::SettleLog() {
  auto emptied = EmptyLog();
  if (emptied || emptied.error().code != ErrorCode::kBusy) return emptied;
  DOAGENT_ASSIGN(Transaction transaction, Transaction::Begin(*this, Transaction::Kind::kWrite));
  DOAGENT_TRY(WriteLogAnew());
  return transaction.Commit();
}

Result<sqlite3_file*> Database::LogFile() {
  DOAGENT_CHECK(InTransaction());
  sqlite3_file* log = nullptr;
  const int code = sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (code != SQLITE_OK || log == nullptr || log->pMethods == nullptr) {
    return FailWith(nullptr, path_, code == SQLITE_OK ? SQLITE_MISUSE : code);
  }
  return log;
}

Result<void> Database::ExtendLog(std::size_t bytes) {
  DOAGENT_ASSIGN(sqlite3_file* const log, LogFile());
  sqlite3_int64 size = 0;
  int code = log->pMethods->xFileSize(log, &size);
  // What is behind the last frame is no frame: its salts are not the log's.
  static constexpr std::array<char, kLogPiece> kZeros{};
  while (code == SQLITE_OK && size < static_cast<sqlite3_int64>(bytes)) {
    const auto left = bytes - static_cast<std::size_t>(size);
    const auto count = static_cast<int>(std::min(left, kZeros.size()));
    code = log->pMethods->xWrite(log, kZeros.data(), count, size);
    size += count;
  }
  if (code == SQLITE_OK) code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  if (code != SQLITE_OK) return FailWith(nullptr, path_, code);
  return {};
}

Result<void> Database::WriteLogAnew() {
  DOAGENT_ASSIGN(sqlite3_file* const log, LogFile());
  sqlite3_int64 size = 0;
  int code = log->pMethods->xFileSize(log, &size);
  std::array<char, kLogPiece> piece;
  for (sqlite3_int64 at = 0; code == SQLITE_OK && at < size;) {
    const auto count = static_cast<int>(std::min<sqlite3_int64>(size - at, kLogPiece));
    code = log->pMethods->xRead(log, piece.data(), count, at);
    if (code == SQLITE_OK) code = log->pMethods->xWrite(log, piece.data(), count, at);
    at += count;
  }
  if (code == SQLITE_OK) code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  if (code != SQLITE_OK) return FailWith(nullptr, path_, code);
  return {};
}

bool Database::IsCutOff() {
  sqlite3_file* file = nullptr;
  sqlite3_file* log = nullptr;
  sqlite3* const handle = handle_.get();
  const bool open =
      sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK &&
      sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
      file != nullptr && file->pMethods != nullptr && log != nullptr && log->pMethods != nullptr;
  if (!open) return false;
  const auto index = LogIndex::Read(file);
  sqlite3_int64 bytes = 0;
  if (!index || file->pMethods->xFileSize(file, &bytes) != SQLITE_OK) return false;
  const bool log_is_whole = LogIsWhole(log, *index);
  // Another process may be copying or starting the log anew at this moment.
  if (LogIndex::Read(file) != index) return false;

  const bool same = extent_.bytes > 0 && extent_.salts == index->salts() &&
                    extent_.frames_copied == index->frames_copied();
  // Without a log since it was opened, nothing is said.
  const std::int64_t said_bytes = std::int64_t{index->database_pages()} * index->page_bytes();
  const bool all_copied = index->frames_copied() >= index->frames();
  if (!same) extent_ = {index->salts(), index->frames_copied(), bytes, said_bytes};
  // Copying cuts the file before it is known to be on the disk and the copying to be over, which
  // may never come.
  extent_.said_bytes = std::min(extent_.said_bytes, said_bytes);
  const bool shorter_than_before =
      bytes < extent_.bytes && (said_bytes == 0 || bytes < extent_.said_bytes);
  const bool shorter_than_said = all_copied && bytes < said_bytes;
  return !log_is_whole || shorter_than_before || shorter_than_said;
}

}  // namespace doagent::spool
