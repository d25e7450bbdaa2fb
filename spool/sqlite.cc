#include "spool/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "spool/check.h"
#include "spool/sqlite_error.h"

namespace doagent::spool {
namespace {

// For a guest, who waits for the owner's short transactions.
constexpr std::chrono::milliseconds kPatience{5000};

// A path as the authority-less part of a file: URI.
std::string EscapeForUri(const std::string& path) {
  std::string escaped;
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      static constexpr char kHex[] = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(c);
      escaped += {'%', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace

Statement::Statement(sqlite3_stmt* statement, const std::string& path)
    : statement_(statement), path_(&path) {}
Statement::Statement(Statement&&) noexcept = default;
Statement& Statement::operator=(Statement&&) noexcept = default;
Statement::~Statement() = default;

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Result<bool> Statement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(statement_.get());
    return false;
  }
  auto failure = FailWith(sqlite3_db_handle(statement_.get()), *path_, code);
  sqlite3_reset(statement_.get());
  return failure;
}

Result<void> Statement::Run() {
  DOAGENT_ASSIGN(const bool row, Step());
  DOAGENT_CHECK(!row);
  return {};
}

void Statement::Reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

std::int64_t Statement::Integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Statement::Blob(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

std::string_view Statement::Text(int column) const {
  const auto* data = sqlite3_column_text(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return {reinterpret_cast<const char*>(data), static_cast<std::size_t>(size)};
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

// Binding fails only for an index that the statement has not, or out of memory.
void Statement::BindAt(int index, std::int64_t value) {
  DOAGENT_CHECK(sqlite3_bind_int64(statement_.get(), index, value) == SQLITE_OK);
}

void Statement::BindAt(int index, std::optional<std::int64_t> value) {
  if (value) {
    BindAt(index, *value);
  } else {
    DOAGENT_CHECK(sqlite3_bind_null(statement_.get(), index) == SQLITE_OK);
  }
}

void Statement::BindAt(int index, std::string_view blob) {
  // A null pointer would bind NULL instead of an empty blob.
  const char* data = blob.data() == nullptr ? "" : blob.data();
  DOAGENT_CHECK(sqlite3_bind_blob64(statement_.get(), index, data, blob.size(), SQLITE_STATIC) ==
                SQLITE_OK);
}

void Statement::BindAt(int index, const std::string& text) {
  // Copied, for texts are short: what is stepped through may outlive a temporary.
  DOAGENT_CHECK(sqlite3_bind_text64(statement_.get(), index, text.data(), text.size(),
                                    SQLITE_TRANSIENT, SQLITE_UTF8) == SQLITE_OK);
}

Database::Database(sqlite3* handle, std::string path) : path_(std::move(path)), handle_(handle) {}
Database::~Database() = default;

void Database::Close::operator()(sqlite3* handle) const {
  // Every statement is finalised before: they are members declared after their database.
  DOAGENT_CHECK(sqlite3_close(handle) == SQLITE_OK);
}

Result<std::unique_ptr<Database>> Database::Open(const std::filesystem::path& path, Mode mode) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_URI;
  flags |= mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
  std::string uri = "file:" + EscapeForUri(std::filesystem::absolute(path).string());
  if (mode == Mode::kImmutable) uri += "?immutable=1";
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(uri.c_str(), &handle, flags, nullptr);
  std::unique_ptr<Database> database(new Database(handle, path.string()));
  if (code != SQLITE_OK) return FailWith(handle, path.string(), code);
  database->WaitForOthers(kPatience);
  // A spool comes from elsewhere too: nothing in its schema may run anything.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return database;
}

Result<void> Database::Execute(const std::string& sql) {
  const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return FailWith(handle_.get(), path_, code);
  return {};
}

Result<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return FailWith(handle_.get(), path_, code);
  return Statement(statement, path_);
}

Result<std::int64_t> Database::QueryInteger(std::string_view sql) {
  DOAGENT_ASSIGN(Statement statement, Prepare(sql));
  DOAGENT_ASSIGN(const bool row, statement.Step());
  if (!row) return Fail(ErrorCode::kFatal, path_, "no answer to " + std::string(sql));
  return statement.Integer(0);
}

Result<std::string> Database::QueryText(std::string_view sql) {
  DOAGENT_ASSIGN(Statement statement, Prepare(sql));
  DOAGENT_ASSIGN(const bool row, statement.Step());
  if (!row) return Fail(ErrorCode::kFatal, path_, "no answer to " + std::string(sql));
  return std::string(statement.Text(0));
}

std::int64_t Database::Changes() const {
  return sqlite3_changes64(handle_.get());
}

std::int64_t Database::LastInsertId() const {
  return sqlite3_last_insert_rowid(handle_.get());
}

void Database::WaitForOthers(std::chrono::milliseconds patience) {
  sqlite3_busy_timeout(handle_.get(), static_cast<int>(patience.count()));
}

void Database::LeaveLogAtClose(bool leave) {
  sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave ? 1 : 0, nullptr);
}

void Database::OpenBlocks() {
  if (!blocks_.valid()) blocks_ = Descriptor(open(path_.c_str(), O_WRONLY | O_CLOEXEC));
}

std::optional<bool> Database::KeepBlocks(std::uint64_t file_bytes) {
  OpenBlocks();
  const auto bytes = static_cast<off_t>(file_bytes);
  if (fallocate(blocks_.number(), FALLOC_FL_KEEP_SIZE, 0, bytes) == 0) return true;
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) return false;
  return std::nullopt;
}

std::uint64_t Database::BlocksBytes() {
  OpenBlocks();
  struct stat status {};
  if (fstat(blocks_.number(), &status) != 0) return 0;
  constexpr blkcnt_t kBlock = 512;  // whatever the file system's are
  return static_cast<std::uint64_t>(std::max<off_t>(status.st_size, status.st_blocks * kBlock));
}

bool Database::InTransaction() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
}

Result<void> Database::Run(Step step) {
  static constexpr std::array<std::string_view, 3> kSql = {"BEGIN", "BEGIN IMMEDIATE", "COMMIT"};
  const auto index = static_cast<std::size_t>(step);
  if (!steps_[index]) {
    DOAGENT_ASSIGN(steps_[index], Prepare(kSql[index]));
  }
  auto done = steps_[index]->Run();
  // The shared memory of the log comes last in a commit: what the log has by then is there to stay.
  if (!done && step == Step::kCommit &&
      sqlite3_extended_errcode(handle_.get()) == SQLITE_IOERR_SHMSIZE) {
    done.error().code = ErrorCode::kRetry;
  }
  return done;
}

Result<Transaction> Transaction::Begin(Database& database, Kind kind) {
  // IMMEDIATE takes the write lock now: a transaction that reads first and writes later could find
  // itself on an old snapshot and fail.
  DOAGENT_TRY(database.Run(kind == Kind::kWrite ? Database::Step::kBeginWrite
                                                : Database::Step::kBeginRead));
  return Transaction(database);
}

bool Database::HasMoved() {
  int moved = 0;
  const int code = sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return code == SQLITE_OK && moved != 0;
}

Result<void> Database::ExpectChange() const {
  if (Changes() > 0) return {};
  return Fail(ErrorCode::kSalvage, path_, "what is read cannot be removed");
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  // Some errors have rolled back already; a failing ROLLBACK has nothing left to undo.
  if (database_ != nullptr && database_->InTransaction()) (void)database_->Execute("ROLLBACK");
}

Result<void> Transaction::Commit() {
  DOAGENT_CHECK(database_ != nullptr);
  if (!database_->InTransaction()) {
    // An error that somebody passed over: the file is not to blame.
    const std::string path = std::exchange(database_, nullptr)->path();
    return Fail(ErrorCode::kRetry, path, "the transaction was rolled back before its end");
  }
  auto committed = database_->Run(Database::Step::kCommit);
  if (!committed) {
    if (database_->InTransaction()) (void)database_->Execute("ROLLBACK");
  }
  database_ = nullptr;
  return committed;
}

Result<ReadScope> ReadScope::Begin(Database& database) {
  if (database.InTransaction()) return ReadScope(std::nullopt);
  DOAGENT_ASSIGN(Transaction own, Transaction::Begin(database, Transaction::Kind::kRead));
  return ReadScope(std::move(own));
}

}  // namespace doagent::spool
