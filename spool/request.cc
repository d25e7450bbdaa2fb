#include "spool/request.h"

#include <string>

#include "spool/forget.h"
#include "spool/layout.h"
#include "spool/lock_file.h"
#include "spool/run_reader.h"
#include "spool/writer.h"

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
  if (!lock && lock.error().code != ErrorCode::kBusy) return Fail(std::move(lock).error());
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

Result<ForgetPlan> PlanToForget(const std::filesystem::path& spool,
                                const std::optional<SpoolId>& origin,
                                const std::optional<std::string>& host) {
  DOAGENT_ASSIGN(const auto database, OpenForReading(spool));
  DOAGENT_ASSIGN(const Role role, RoleOf(*database));
  DOAGENT_ASSIGN(const auto own_id, LoadMeta(*database, "spool_id"));
  DOAGENT_ASSIGN(RunReader runs, RunReader::Prepare(*database));
  DOAGENT_ASSIGN(const auto rows, LoadOrigins(*database));
  ForgetPlan plan;
  for (const OriginRow& row : rows) {
    const bool meant = origin ? row.spool_id == *origin : row.host.hostname == host;
    if (!meant) continue;
    if (role == Role::kAgent && own_id && row.spool_id.bytes() == *own_id) {
      if (!origin) continue;
      return Fail(ErrorCode::kRefuse, spool.string(),
                  "is written under " + row.spool_id.Hex() +
                      ": an agent cannot forget itself; stop it and remove the file instead");
    }
    DOAGENT_ASSIGN(const RangeSet sequences, runs.Sequences(row.number));
    plan.origins.push_back({row.spool_id, row.host, sequences.count()});
  }
  if (plan.origins.empty()) {
    return Fail(ErrorCode::kRefuse, spool.string(),
                "has no origin " + (origin ? origin->Hex() : "with the hostname " + *host) +
                    " that could be forgotten; do-agent-spool status lists them");
  }
  return plan;
}

Result<RequestOutcome> RequestForget(const std::filesystem::path& spool, const ForgetPlan& plan) {
  RequestOutcome outcome;
  Role role = Role::kAgent;
  {
    DOAGENT_ASSIGN(const auto database, OpenForRequests(spool));
    DOAGENT_ASSIGN(role, RoleOf(*database));
    DOAGENT_ASSIGN(Transaction transaction,
                   Transaction::Begin(*database, Transaction::Kind::kWrite));
    DOAGENT_ASSIGN(Statement insert,
                   database->Prepare("INSERT INTO requests(kind, argument) VALUES(?, ?)"));
    for (const auto& origin : plan.origins) {
      DOAGENT_TRY(insert.Bind(std::string(kForgetRequest), origin.spool_id.Hex()).Run());
      outcome.records += origin.records;
    }
    DOAGENT_TRY(transaction.Commit());
  }
  auto lock = LockFile::Acquire(spool, "do-agent-spool");
  outcome.queued = !lock && lock.error().code == ErrorCode::kBusy;
  if (outcome.queued) return outcome;
  if (!lock) return Fail(std::move(lock).error());
  DOAGENT_ASSIGN(const auto writer, Writer::Open(spool, role));
  writer->database().LeaveLogAtClose(false);
  DOAGENT_ASSIGN(const auto forgetter, Forgetter::Prepare(*writer));
  DOAGENT_ASSIGN(const auto wanted, forgetter->Wanted());
  for (const OriginRow& origin : wanted) {
    for (bool done = false; !done;) {
      DOAGENT_ASSIGN(Transaction transaction, writer->Begin());
      DOAGENT_ASSIGN(const auto forgotten, forgetter->Step(origin));
      DOAGENT_TRY(transaction.Commit());
      done = forgotten.has_value();
    }
  }
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
  DOAGENT_ASSIGN(const std::int64_t to_forget,
                 database.QueryInteger("SELECT count(*) FROM requests WHERE kind = 'forget'"));
  done.forget_wanted = to_forget > 0;
  // A kind that this version does not know is removed too: nobody will ever carry it out.
  DOAGENT_ASSIGN(const std::int64_t requests,
                 database.QueryInteger("SELECT count(*) FROM requests WHERE kind <> 'forget'"));
  if (requests > 0) DOAGENT_TRY(database.Execute("DELETE FROM requests WHERE kind <> 'forget'"));
  return done;
}

}  // namespace doagent::spool
