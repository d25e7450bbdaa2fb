#include "spool/sqlite_error.h"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>

namespace doagent::spool {
namespace {

ErrorCode CodeOf(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_FULL: return ErrorCode::kEvict;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ErrorCode::kBusy;
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT: return ErrorCode::kRetry;
    // Our statements are constant and known to be right: where they fail, the file is not what it
    // was.
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH: return ErrorCode::kSalvage;
    default: return ErrorCode::kFatal;
  }
}

// SQLite's own word for a full disk is SQLITE_FULL. It does not use it for a quota, nor where a log
// or its shared memory cannot be made.
bool MeansNoSpace(int code, int system_error) {
  if (code == SQLITE_IOERR_SHMSIZE) return true;
  const bool makes_room =
      code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_SHMOPEN || code == SQLITE_CANTOPEN;
  return makes_room && (system_error == ENOSPC || system_error == EDQUOT);
}

// Whether errno says why, for the code comes from a call of the system that failed.
bool SystemSaysWhy(int code) {
  const int kind = code & 0xff;
  return (kind == SQLITE_IOERR && code != SQLITE_IOERR_SHORT_READ) || code == SQLITE_CANTOPEN;
}

}  // namespace

tl::unexpected<Error> FailWith(sqlite3* handle, const std::string& path, int code) {
  const int system_error = SystemSaysWhy(code) ? errno : 0;
  const ErrorCode meant = MeansNoSpace(code, system_error) ? ErrorCode::kEvict : CodeOf(code);
  std::string what = sqlite3_errstr(code);
  // The connection's text has more to say, but only of its own last error.
  if (handle != nullptr && sqlite3_extended_errcode(handle) == code) what = sqlite3_errmsg(handle);
  if (system_error != 0) what += std::string(": ") + std::strerror(system_error);
  return Fail(meant, path, what + " (SQLite code " + std::to_string(code) + ")");
}

}  // namespace doagent::spool
