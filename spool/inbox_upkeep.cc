// What keeps a receiver's spool small, and takes over what was set aside.

#include <algorithm>
#include <utility>

#include "spool/inbox_impl.h"
#include "spool/range_table.h"

namespace doagent::spool {

Result<bool> Inbox::Impl::SalvageSome() {
  DOAGENT_ASSIGN(const auto progress, salvager_->Step());
  for (std::string& notice : salvager_->TakeNotices()) Notice(std::move(notice));
  if (progress == Salvager::Progress::kNothing) return false;
  if (progress == Salvager::Progress::kSeen) DOAGENT_TRY(FinishSalvage());
  // Agents send meanwhile what may be there by now.
  DOAGENT_TRY(LoadOrigins());
  return true;
}

Result<void> Inbox::Impl::FinishSalvage() {
  Salvage& salvage = salvager_->current();
  DOAGENT_ASSIGN(Transaction transaction, writer_->Begin());
  DOAGENT_ASSIGN(const auto losses, salvage.Finish());
  // A receiver writes no events of its own; its totals tell.
  std::uint64_t lost = 0;
  for (const SalvageLoss& loss : losses) {
    DOAGENT_TRY(
        writer_->AddTotals(loss.origin, EventKind::kSalvageLoss, 1, loss.sequences.count()));
    lost += loss.sequences.count();
  }
  DOAGENT_TRY(transaction.Commit());
  for (const OriginNumber number : salvage.Origins()) maintenance_->Look(number);
  Notice(std::to_string(salvage.records()) + " records were taken over from " + salvage.name() +
         ", " + std::to_string(lost) + " were not in it");
  salvager_->Done();
  // Agents believe that all is here that was stored, and not even its list may have been found:
  // when they claim their ids again, they learn what is.
  for (auto& [spool_id, origin] : origins_) origin.claimed = false;
  return {};
}

void Inbox::Impl::Notice(std::string text) {
  if (notices_.size() < kNoticesMax) notices_.push_back(std::move(text));
}

Result<void> Inbox::Impl::FinishLogs() {
  while (salvager_->SeenLogs()) DOAGENT_TRY(FinishSalvage());
  // What is left of a damaged log would look like lost commits once more.
  return StartLogAnew(writer_->database());
}

Result<bool> Inbox::Impl::ForgetSome() {
  DOAGENT_ASSIGN(const auto wanted, forgetter_->Wanted());
  if (wanted.empty()) return false;
  DOAGENT_ASSIGN(Transaction transaction, writer_->Begin());
  DOAGENT_ASSIGN(const auto forgotten, forgetter_->Step(wanted.back()));
  DOAGENT_TRY(transaction.Commit());
  if (!forgotten) return true;
  salvager_->BeginAgain();
  // One that is sending at this moment registers again when it reconnects.
  origins_.erase(forgotten->origin.spool_id);
  return wanted.size() > 1;
}

Result<void> Inbox::Impl::ScrubSome(WallTime now) {
  std::vector<OriginNumber> origins;
  for (const auto& [spool_id, origin] : origins_) origins.push_back(origin.row.number);
  std::sort(origins.begin(), origins.end());
  DOAGENT_ASSIGN(const auto damaged, scrubber_->Step(origins));
  return damaged ? SetDamagedAside(*damaged, now) : Result<void>();
}

Result<void> Inbox::Impl::SetDamagedAside(const DamagedRecords& damaged, WallTime now) {
  Database& database = writer_->database();
  DOAGENT_ASSIGN(Transaction transaction, writer_->Begin());
  DOAGENT_TRY(scrubber_->SetAside(damaged, now));
  DOAGENT_TRY(AddRemoved(database, damaged.origin, RemovalKind::kLost, damaged.sequences));
  DOAGENT_TRY(
      writer_->AddTotals(damaged.origin, EventKind::kSalvageLoss, 1, damaged.sequences.count()));
  return transaction.Commit();
}

Result<void> Inbox::Impl::Remove(const Removal& removal) {
  DOAGENT_ASSIGN(Transaction transaction, writer_->Begin());
  DOAGENT_TRY(retention_->Apply(removal));
  // A receiver writes no events of its own; its totals tell.
  if (removal.kind != RemovalKind::kExpired) {
    DOAGENT_TRY(
        writer_->AddTotals(removal.origin, EventKind::kEviction, 1, removal.sequences.count()));
  }
  DOAGENT_TRY(transaction.Commit());
  retention_->Applied(removal);
  return {};
}

Result<bool> Inbox::Impl::Retain(WallTime wall, MonoTime mono) {
  std::vector<Holding> holdings;
  for (const auto& [spool_id, origin] : origins_) {
    if (origin.stored.empty()) continue;
    holdings.push_back({origin.row.number, false, origin.stored.last(), origin.stored});
  }
  DOAGENT_ASSIGN(const auto removal, retention_->Choose(holdings, wall, mono));
  if (!removal) return retention_->Vacuum();
  const auto removed = Remove(*removal);
  if (!removed && removed.error().code == ErrorCode::kPark) {
    DOAGENT_ASSIGN(const auto damaged,
                   scrubber_->Block(removal->origin, removal->range.first, removed.error()));
    if (damaged) {
      DOAGENT_TRY(SetDamagedAside(*damaged, wall));
      return true;
    }
  }
  DOAGENT_TRY(removed);
  return true;
}

Result<bool> Inbox::Impl::Maintain(WallTime now, MonoTime mono) {
  DOAGENT_ASSIGN(const bool more, MaintainSome(now, mono));
  retention_->KeepRoom();
  return more;
}

Result<bool> Inbox::Impl::MaintainSome(WallTime now, MonoTime mono) {
  for (const auto& [spool_id, origin] : origins_) {
    if (!maintenance_->Due(origin.row.number, now)) continue;
    // What is between stored ranges may still come.
    DOAGENT_ASSIGN(const bool sealed,
                   maintenance_->Seal({origin.row.number, origin.stored, false}, now));
    if (sealed) return true;
  }
  DOAGENT_ASSIGN(const bool retained, Retain(now, mono));
  if (retained) return true;
  DOAGENT_ASSIGN(const bool forgetting, ForgetSome());
  if (forgetting) return true;
  DOAGENT_ASSIGN(const bool salvaging, SalvageSome());
  if (salvaging) return true;
  // Not while objects are taken over that nothing names yet.
  DOAGENT_TRY(maintenance_->Sweep(std::nullopt));
  DOAGENT_TRY(ScrubSome(now));
  return false;
}

}  // namespace doagent::spool
