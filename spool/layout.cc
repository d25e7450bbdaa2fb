#include "spool/layout.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>

#include "spool/file_system.h"
#include "spool/recognise.h"

namespace doagent::spool {
namespace {

// Small pages: a tick changes a few hundred bytes, and every page that it touches is written whole,
// to the log and later to the file.
constexpr const char* kCreationPragmas =
    "PRAGMA page_size = 1024;"
    "PRAGMA auto_vacuum = INCREMENTAL;";

constexpr std::uint64_t kLogPartOfFreeSpace = 4;

// An agent has the next tick to come, and memory to keep this one in.
constexpr std::chrono::milliseconds kAgentsPatience{200};

// docs/spool-format.md explains each table. Nothing has a secondary index but what content
// addressing needs.
constexpr const char* kTables = R"sql(
CREATE TABLE meta(
  name TEXT PRIMARY KEY NOT NULL,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE origins(
  number INTEGER PRIMARY KEY,
  spool_id BLOB NOT NULL UNIQUE,
  first_sequence INTEGER NOT NULL,
  hostname TEXT NOT NULL,
  machine_id TEXT NOT NULL,
  droplet_id TEXT NOT NULL,
  region TEXT NOT NULL,
  agent_version TEXT NOT NULL,
  principal TEXT NOT NULL
) STRICT;

CREATE TABLE incarnations(
  origin INTEGER NOT NULL,
  first_sequence INTEGER NOT NULL,
  incarnation INTEGER NOT NULL,
  PRIMARY KEY(origin, first_sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE objects(
  number INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  kind INTEGER NOT NULL,
  encoding INTEGER NOT NULL,
  payload BLOB NOT NULL
) STRICT;

CREATE TABLE object_copies(
  number INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  kind INTEGER NOT NULL,
  encoding INTEGER NOT NULL,
  payload BLOB NOT NULL
) STRICT;

CREATE TABLE records(
  id INTEGER PRIMARY KEY,
  time_unix_ns INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  encoding INTEGER NOT NULL,
  key_object INTEGER,
  checksum INTEGER NOT NULL,
  payload BLOB NOT NULL
) STRICT;

CREATE TABLE blocks(
  id INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  first_time_unix_ns INTEGER NOT NULL,
  last_time_unix_ns INTEGER NOT NULL,
  encoding INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  holes BLOB NOT NULL,
  layouts BLOB NOT NULL,
  payload BLOB NOT NULL
) STRICT;

CREATE TABLE stored(
  origin INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY(origin, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE removed(
  origin INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  records INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(origin, kind, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE receivers(
  number INTEGER PRIMARY KEY,
  receiver_id BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE delivered(
  origin INTEGER NOT NULL,
  receiver INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY(origin, receiver, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE parked(
  id INTEGER PRIMARY KEY,
  parked_unix_ms INTEGER NOT NULL,
  reason TEXT NOT NULL
) STRICT;

CREATE TABLE ledger(
  origin INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  events INTEGER NOT NULL,
  records INTEGER NOT NULL,
  PRIMARY KEY(origin, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE requests(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  argument TEXT NOT NULL
) STRICT;

CREATE TABLE damaged(
  id INTEGER PRIMARY KEY,
  found_unix_ms INTEGER NOT NULL,
  what TEXT NOT NULL,
  payload BLOB NOT NULL
) STRICT;
)sql";

tl::unexpected<Error> Refuse(const std::string& path, std::string what) {
  return Fail(ErrorCode::kRefuse, path, std::move(what));
}

enum class Presence { kAbsent, kThere };

// Looks without opening: a FIFO would block, and a directory has errors of its own.
Result<Presence> Look(const std::filesystem::path& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return Presence::kAbsent;
    return Fail(ErrorCode::kFatal, path.string(), std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    return Refuse(path.string(), "is not a regular file; name a spool's database file");
  }
  return Presence::kThere;
}

Result<void> CreateFile(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    const bool full = errno == ENOSPC || errno == EDQUOT;
    return Fail(full ? ErrorCode::kEvict : ErrorCode::kFatal, path.string(),
                std::string("cannot create the spool: ") + std::strerror(errno) +
                    (errno == ENOENT ? "; create its folder first" : ""));
  }
  close(descriptor);
  return {};
}

// That the file is a spool of a version that this program knows.
Result<void> CheckFormat(Database& database) {
  DOAGENT_ASSIGN(const std::int64_t application, database.QueryInteger("PRAGMA application_id"));
  if (application != kApplicationId) {
    return Refuse(database.path(), "is not a spool of do-agent; it is left as it is");
  }
  DOAGENT_ASSIGN(const std::int64_t version, database.QueryInteger("PRAGMA user_version"));
  if (version > kFormatVersion) {
    return Refuse(database.path(), "was written by a newer do-agent (format " +
                                       std::to_string(version) + ", this program knows " +
                                       std::to_string(kFormatVersion) +
                                       "); it is left as it is: use the newer program");
  }
  if (version < kFormatVersion) {
    const auto format = database.QueryInteger("SELECT value FROM meta WHERE name = 'format'");
    if (format && *format == kFormatVersion) {
      return Fail(ErrorCode::kSalvage, database.path(), "its header is damaged");
    }
    return Refuse(database.path(), "was written before the first release (format " +
                                       std::to_string(version) + ", this program knows " +
                                       std::to_string(kFormatVersion) +
                                       "); it is left as it is: move it away");
  }
  return {};
}

Result<void> CreateTables(Database& database, Role role) {
  DOAGENT_TRY(database.Execute(kCreationPragmas));
  DOAGENT_ASSIGN(Transaction transaction, Transaction::Begin(database, Transaction::Kind::kWrite));
  DOAGENT_TRY(database.Execute(kTables));
  DOAGENT_TRY(database.Execute("PRAGMA application_id = " + std::to_string(kApplicationId)));
  DOAGENT_TRY(database.Execute("PRAGMA user_version = " + std::to_string(kFormatVersion)));
  DOAGENT_ASSIGN(Statement insert,
                 database.Prepare("INSERT INTO meta(name, value) VALUES('role', ?)"));
  DOAGENT_TRY(insert.Bind(std::string(role == Role::kAgent ? "agent" : "receiver")).Run());
  // Once more, away from the header: a version that is too low may be a flipped bit.
  DOAGENT_TRY(database.Execute("INSERT INTO meta(name, value) VALUES('format', " +
                               std::to_string(kFormatVersion) + ")"));
  return transaction.Commit();
}

// A database without tables, as one is that was created a moment before a crash.
Result<bool> IsEmpty(Database& database) {
  DOAGENT_ASSIGN(const std::int64_t tables,
                 database.QueryInteger("SELECT count(*) FROM sqlite_schema"));
  DOAGENT_ASSIGN(const std::int64_t application, database.QueryInteger("PRAGMA application_id"));
  return tables == 0 && application == 0;
}

Result<std::unique_ptr<Database>> OpenExisting(const std::filesystem::path& path,
                                               Database::Mode mode) {
  DOAGENT_ASSIGN(const Presence presence, Look(path));
  if (presence == Presence::kAbsent) {
    return Refuse(path.string(), "there is no such file; name the spool with --spool");
  }
  if (access(path.c_str(), R_OK) != 0) {
    return Fail(ErrorCode::kFatal, path.string(),
                std::string("cannot be read: ") + std::strerror(errno));
  }
  return Database::Open(path, mode);
}

}  // namespace

Result<Role> RoleOf(Database& database) {
  DOAGENT_ASSIGN(Statement select, database.Prepare("SELECT value FROM meta WHERE name = 'role'"));
  DOAGENT_ASSIGN(const bool there, select.Step());
  if (!there) return Fail(ErrorCode::kSalvage, database.path(), "does not say whose spool it is");
  return select.Text(0) == "receiver" ? Role::kReceiver : Role::kAgent;
}

Result<std::unique_ptr<Database>> OpenForWriting(const std::filesystem::path& path, Role role) {
  DOAGENT_ASSIGN(const Presence presence, Look(path));
  if (presence == Presence::kAbsent) DOAGENT_TRY(CreateFile(path));
  DOAGENT_ASSIGN(auto database, Database::Open(path, Database::Mode::kReadWrite));
  if (role == Role::kAgent) database->WaitForOthers(kAgentsPatience);
  // Until all is found to be well: what turns out to be damaged is not to be worked on.
  database->LeaveLogAtClose(true);
  DOAGENT_ASSIGN(const bool empty, IsEmpty(*database));
  if (empty) DOAGENT_TRY(CreateTables(*database, role));
  DOAGENT_TRY(CheckFormat(*database));
  DOAGENT_ASSIGN(const Role stored_role, RoleOf(*database));
  if (stored_role != role) {
    return Refuse(path.string(), stored_role == Role::kReceiver
                                     ? "is a receiver's spool, not an agent's"
                                     : "is an agent's spool, not a receiver's");
  }
  // WAL with FULL: one sync a commit, and a commit that returned survives a power cut. The log is
  // reused from its start after a checkpoint and only cut back when it has grown beyond the limit.
  DOAGENT_TRY(
      database->Execute("PRAGMA journal_mode = WAL;"
                        "PRAGMA synchronous = FULL;"
                        "PRAGMA wal_autocheckpoint = 1000;"
                        "PRAGMA journal_size_limit = 1228800;"  // kLogBytes
                        "PRAGMA cache_size = -512;"
                        "PRAGMA temp_store = MEMORY;"
                        "PRAGMA cell_size_check = ON;"));
  DOAGENT_TRY(SetLogSize(*database));
  return database;
}

Result<void> SetLogSize(Database& database) {
  DOAGENT_ASSIGN(Transaction transaction, Transaction::Begin(database, Transaction::Kind::kWrite));
  // On a disk that is nearly full, most of what is left is for the database.
  const auto disk = DiskSpaceAt(database.path());
  const std::uint64_t bytes =
      disk ? std::min<std::uint64_t>(kLogBytes, disk->free_bytes / kLogPartOfFreeSpace) : kLogBytes;
  // No space for it: the log grows when there is some.
  auto extended = database.ExtendLog(bytes);
  if (!extended && extended.error().code != ErrorCode::kEvict) return extended;
  return transaction.Commit();
}

Result<void> StartLogAnew(Database& database) {
  auto emptied = database.EmptyLog();
  const bool in_the_way = !emptied && (emptied.error().code == ErrorCode::kBusy ||
                                       emptied.error().code == ErrorCode::kEvict);
  if (!emptied && !in_the_way) return emptied;
  return SetLogSize(database);
}

// What is said of a file that SQLite cannot read, to whoever only wanted to look.
tl::unexpected<Error> Unreadable(const std::filesystem::path& path, Error error) {
  if (error.code != ErrorCode::kSalvage) return Fail(std::move(error));
  const auto recognised = Recognise(path);
  if (recognised && *recognised == Recognised::kWreck) error.what = "it is no database any more";
  if (!recognised || (*recognised != Recognised::kWreck && !WasSpool(path))) {
    return Refuse(path.string(), "is not a spool: " + error.what + "; name another path");
  }
  error.what += "; do-agent-spool salvage takes over what is intact in it";
  return Fail(std::move(error));
}

Result<std::unique_ptr<Database>> OpenForReading(const std::filesystem::path& path) {
  DOAGENT_ASSIGN(auto database, OpenExisting(path, Database::Mode::kReadOnly));
  auto checked = CheckFormat(*database);
  if (!checked &&
      (checked.error().code == ErrorCode::kFatal || checked.error().code == ErrorCode::kEvict)) {
    // Where nothing may be written, or nothing more, no -shm file can be made. Without a log there
    // is nothing in it that a plain read would miss.
    struct stat status {};
    const std::string log = path.string() + "-wal";
    if (stat(log.c_str(), &status) != 0 || status.st_size == 0) {
      DOAGENT_ASSIGN(database, OpenExisting(path, Database::Mode::kImmutable));
      checked = CheckFormat(*database);
    }
  }
  if (!checked) return Unreadable(path, std::move(checked).error());
  DOAGENT_TRY(database->Execute("PRAGMA cache_size = -512; PRAGMA cell_size_check = ON;"));
  return database;
}

Result<std::unique_ptr<Database>> OpenForRequests(const std::filesystem::path& path) {
  DOAGENT_ASSIGN(auto database, OpenExisting(path, Database::Mode::kReadWrite));
  if (auto checked = CheckFormat(*database); !checked) {
    return Unreadable(path, std::move(checked).error());
  }
  DOAGENT_TRY(database->Execute("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"));
  return database;
}

}  // namespace doagent::spool
