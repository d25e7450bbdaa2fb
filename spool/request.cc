#include "spool/request.h"

#include <string>

#include "spool/layout.h"
#include "spool/lock_file.h"

namespace doagent::spool {
namespace {

constexpr const char* kRetryParked = "retry_parked";

Result<std::uint64_t> CountParked(Database& database) {
  DOAGENT_ASSIGN(const std::int64_t count, database.QueryInteger("SELECT count(*) FROM parked"));
  return static_cast<std::uint64_t>(count);
}

}  // namespace

Result<RequestOutcome> RequestRetryParked(const std::filesystem::path& spool) {
  // Opened first: it says what is wrong with a path that names no spool.
  DOAGENT_ASSIGN(const auto database, OpenForRequests(spool));
  DOAGENT_ASSIGN(const Role role, RoleOf(*database));
  if (role != Role::kAgent) {
    return Fail(ErrorCode::kRefuse, spool.string(),
                "is a receiver's spool: records are parked on agents only");
  }
  auto lock = LockFile::Acquire(spool, "do-agent-spool");
  if (!lock && lock.error().code != ErrorCode::kRetry) return Fail(std::move(lock).error());
  const bool owned_by_other = !lock;

  DOAGENT_ASSIGN(Transaction transaction, Transaction::Begin(*database, Transaction::Kind::kWrite));
  RequestOutcome outcome{owned_by_other, 0};
  DOAGENT_ASSIGN(outcome.records, CountParked(*database));
  if (owned_by_other) {
    DOAGENT_ASSIGN(Statement insert,
                   database->Prepare("INSERT INTO requests(kind, argument) VALUES(?, '')"));
    DOAGENT_TRY(insert.Bind(std::string(kRetryParked)).Run());
  } else {
    DOAGENT_TRY(database->Execute("DELETE FROM parked"));
  }
  DOAGENT_TRY(transaction.Commit());
  return outcome;
}

Result<RequestsDone> ExecuteRequests(Database& database) {
  RequestsDone done;
  DOAGENT_ASSIGN(
      const std::int64_t retries,
      database.QueryInteger("SELECT count(*) FROM requests WHERE kind = 'retry_parked'"));
  if (retries > 0) {
    DOAGENT_TRY(database.Execute("DELETE FROM parked"));
    done.parked_put_back = true;
  }
  // A kind that this version does not know is removed too: nobody will ever carry it out.
  DOAGENT_ASSIGN(const std::int64_t requests,
                 database.QueryInteger("SELECT count(*) FROM requests"));
  if (requests > 0) DOAGENT_TRY(database.Execute("DELETE FROM requests"));
  return done;
}

}  // namespace doagent::spool
