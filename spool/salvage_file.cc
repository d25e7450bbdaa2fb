#include "spool/salvage_file.h"

#include <memory>
#include <system_error>
#include <utility>

#include "spool/lock_file.h"
#include "spool/maintenance.h"
#include "spool/owned_file.h"
#include "spool/retention.h"
#include "spool/salvage.h"

namespace doagent::spool {
namespace {

Result<void> CheckPaths(const std::filesystem::path& wreck, const std::filesystem::path& output) {
  std::error_code none;
  const bool there = std::filesystem::is_regular_file(wreck, none) ||
                     std::filesystem::is_regular_file(wreck.string() + "-wal", none);
  if (!there) {
    return Fail(ErrorCode::kRefuse, wreck.string(),
                "there is no such file; name the damaged spool with --spool");
  }
  for (const char* suffix : {"", "-wal"}) {
    const std::string taken = output.string() + suffix;
    if (!std::filesystem::exists(std::filesystem::symlink_status(taken, none))) continue;
    return Fail(ErrorCode::kRefuse, taken, "is there already; name a new file with --output");
  }
  return {};
}

// What an owner would enter as events, where there is none to write them.
Result<void> EnterLosses(Writer& writer, Role role, const std::vector<SalvageLoss>& losses) {
  for (const SalvageLoss& loss : losses) {
    if (role == Role::kAgent) {
      DOAGENT_TRY(AddRemoved(writer.database(), loss.origin, RemovalKind::kLost, loss.sequences));
    }
    DOAGENT_TRY(writer.AddTotals(loss.origin, EventKind::kSalvageLoss, 1, loss.sequences.count()));
  }
  return {};
}

}  // namespace

Result<SalvagedFile> SalvageFile(const std::filesystem::path& wreck,
                                 const std::filesystem::path& output, WallTime now,
                                 const std::function<void(double)>& progress) {
  DOAGENT_TRY(CheckPaths(wreck, output));
  DOAGENT_ASSIGN(Wreck opened, Wreck::Open(wreck));
  const auto shared = std::make_shared<const Wreck>(std::move(opened));
  const auto tables = std::make_shared<const WreckTables>(shared->ReadTables());
  const Role role = tables->role.value_or(Role::kAgent);
  DOAGENT_ASSIGN([[maybe_unused]] const LockFile lock, LockFile::Acquire(output, "do-agent-spool"));
  ReserveFile no_reserve(output, 0);
  DOAGENT_ASSIGN(const OwnedFile owned, OpenOwned(output, role, now, no_reserve));
  Writer& writer = *owned.writer;
  DOAGENT_ASSIGN(const auto sealer, Sealer::Prepare(writer));
  DOAGENT_ASSIGN(
      const auto salvage,
      Salvage::Begin(writer, *sealer,
                     {.wreck = shared, .tables = tables, .name = wreck.filename().string()}));
  for (bool more = true; more;) {
    DOAGENT_ASSIGN(more, salvage->Step());
    if (progress) progress(salvage->progress());
  }
  DOAGENT_ASSIGN(Transaction transaction, writer.Begin());
  DOAGENT_ASSIGN(const auto losses, salvage->Finish());
  DOAGENT_TRY(EnterLosses(writer, role, losses));
  // An agent that goes on with it begins a new spool id: the last numbers of the old one may have
  // been used. A receiver's own id names no numbers.
  if (role == Role::kReceiver && tables->own_id) {
    DOAGENT_TRY(StoreMeta(writer.database(), "spool_id", *tables->own_id));
  }
  if (tables->local) DOAGENT_TRY(StoreMeta(writer.database(), "local", *tables->local));
  DOAGENT_TRY(transaction.Commit());
  SalvagedFile result;
  result.records = salvage->records();
  for (const SalvageLoss& loss : losses) result.losses.push_back({loss.spool_id, loss.sequences});
  return result;
}

}  // namespace doagent::spool
