// SQLite without its header: RAII for connections, statements and transactions. A connection and
// what hangs on it belong to one thread at a time.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "spool/descriptor.h"
#include "spool/result.h"

struct sqlite3;
struct sqlite3_file;
struct sqlite3_stmt;

namespace doagent::spool {

class Statement {
 public:
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) noexcept;
  ~Statement();

  // Starts the statement anew with these parameters, in their order.
  template <typename... Values>
  Statement& Bind(const Values&... values) {
    Reset();
    int index = 0;
    (BindAt(++index, values), ...);
    return *this;
  }

  // True: a row is there; false: done, and reset.
  Result<bool> Step();
  // For a statement without rows: runs and resets it.
  Result<void> Run();
  // Ends reading; what it held is released.
  void Reset();

  // Of the current row; views are valid until the next Step or Reset.
  std::int64_t Integer(int column) const;
  std::string_view Blob(int column) const;
  std::string_view Text(int column) const;
  bool IsNull(int column) const;

 private:
  friend class Database;
  Statement(sqlite3_stmt* statement, const std::string& path);

  void BindAt(int index, std::int64_t value);
  void BindAt(int index, std::uint64_t value) { BindAt(index, static_cast<std::int64_t>(value)); }
  void BindAt(int index, int value) { BindAt(index, std::int64_t{value}); }
  void BindAt(int index, std::optional<std::int64_t> value);
  // A view is a blob, which must live until Reset; a std::string is text, and is copied.
  void BindAt(int index, std::string_view blob);
  void BindAt(int index, const std::string& text);

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  const std::string* path_;  // the database's, for errors
};

// Resets the statement at the end of the scope, so that no read transaction outlives it.
class StatementScope {
 public:
  explicit StatementScope(Statement& statement) : statement_(statement) {}
  ~StatementScope() { statement_.Reset(); }
  StatementScope(const StatementScope&) = delete;
  StatementScope& operator=(const StatementScope&) = delete;

 private:
  Statement& statement_;
};

class Database {
 public:
  enum class Mode {
    kReadOnly,
    kImmutable,  // read-only, and nobody else writes: works without a -shm file
    kReadWrite,  // the file must exist
  };

  static Result<std::unique_ptr<Database>> Open(const std::filesystem::path& path, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // One or more statements without parameters; rows are ignored.
  Result<void> Execute(const std::string& sql);
  // The statement is kept prepared and must not outlive the database.
  Result<Statement> Prepare(std::string_view sql);
  // A single integer or text, such as a pragma's.
  Result<std::int64_t> QueryInteger(std::string_view sql);
  Result<std::string> QueryText(std::string_view sql);

  // Rows changed by the last statement.
  std::int64_t Changes() const;
  // kSalvage: the last statement changed nothing, although what it should remove was read. Going
  // on, whoever removes would find it again and again.
  Result<void> ExpectChange() const;
  std::int64_t LastInsertId() const;
  bool InTransaction() const;
  // Gives the write-ahead log at least this size at once, in blocks that are really written:
  // syncing a log that grows means syncing the file system's own journal too, which doubles what a
  // commit takes. REQUIRES a write transaction, so that nobody else writes to it.
  Result<void> ExtendLog(std::size_t bytes);
  // Has the file system keep blocks of the disk for so long a file; its length stays as it is, and
  // nothing is written. Every checkpoint gives back those behind the end. False: the disk has not
  // as many. Nothing: it is not known, for the file system cannot do it.
  std::optional<bool> KeepBlocks(std::uint64_t file_bytes);
  // What the disk keeps for the file.
  std::uint64_t BlocksBytes();
  // Copies what it can of the log into the database. True: all of it, so that it starts anew with
  // the next commit, unless somebody still reads from it.
  bool CopyLog();
  // Copies the whole log into the database, syncs that and makes the log empty. kBusy: a reader
  // stands in the way.
  Result<void> EmptyLog();
  // After a sync that failed, what is in the log may be in memory alone, although it looks written,
  // and the next sync says nothing of it. Emptied, or else written once more, it is on the disk.
  Result<void> SettleLog();
  // How long anything waits for a lock of another connection before it fails as kBusy.
  void WaitForOthers(std::chrono::milliseconds patience);
  // Whether what was opened is not at its path any more: removed, or replaced.
  bool HasMoved();
  // Whether somebody has cut off the database or its log, or emptied one of them, since it was
  // first asked for: what the connection knows to be in them is not there, and it would go on
  // writing behind the hole. Some microseconds. What cannot be found out counts as no.
  bool IsCutOff();
  // Whether closing neither copies the log into the database nor removes it: for files that are to
  // be kept as they are.
  void LeaveLogAtClose(bool leave);
  const std::string& path() const { return path_; }

 private:
  Database(sqlite3* handle, std::string path);

  struct Close {
    void operator()(sqlite3* handle) const;
  };
  friend class Transaction;
  enum class Step : std::uint8_t { kBeginRead, kBeginWrite, kCommit };
  // Prepared once: a transaction a tick is most of what a spool does.
  Result<void> Run(Step step);
  // REQUIRES a transaction.
  Result<sqlite3_file*> LogFile();
  // REQUIRES a write transaction, so that nobody else writes to it.
  Result<void> WriteLogAnew();
  void OpenBlocks();

  // The database as IsCutOff found it: only copying the log into it changes its size.
  struct Extent {
    std::array<std::uint8_t, 8> salts{};  // of the run of the log
    std::uint32_t frames_copied = 0;      // of it
    std::int64_t bytes = 0;
    std::int64_t said_bytes = 0;  // the least that its log has said since: it may be cut to that
  };

  std::string path_;
  Extent extent_;
  // The file, for its blocks. Closed after the connection: closing it gives up SQLite's locks.
  Descriptor blocks_;
  std::unique_ptr<sqlite3, Close> handle_;
  std::array<std::optional<Statement>, 3> steps_;  // after handle_: they are its statements
};

// Rolls back unless committed. A failed Commit leaves the transaction rolled back.
class Transaction {
 public:
  enum class Kind { kRead, kWrite };

  static Result<Transaction> Begin(Database& database, Kind kind);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  Result<void> Commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}

  Database* database_;  // null: over
};

// A view of the database that does not change while it lasts: a read transaction, or the
// transaction that is open already. Keep it short: the log cannot be reset meanwhile.
class ReadScope {
 public:
  static Result<ReadScope> Begin(Database& database);
  ReadScope(ReadScope&&) noexcept = default;
  ReadScope& operator=(ReadScope&&) = delete;
  ~ReadScope() = default;

 private:
  explicit ReadScope(std::optional<Transaction> own) : own_(std::move(own)) {}

  std::optional<Transaction> own_;  // its destructor ends it
};

}  // namespace doagent::spool
