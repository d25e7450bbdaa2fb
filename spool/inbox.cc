#include "spool/inbox.h"

#include <algorithm>
#include <utility>

#include "spool/check.h"
#include "spool/held_file.h"
#include "spool/history.h"
#include "spool/inbox_impl.h"
#include "spool/layout.h"
#include "spool/lock_file.h"
#include "spool/owned_file.h"
#include "spool/range_table.h"
#include "spool/recognise.h"
#include "spool/set_aside.h"

namespace doagent::spool {
namespace {

constexpr const char* kOwnId = "spool_id";

}  // namespace

Result<void> Inbox::Impl::Load(const InboxOptions& options, const std::filesystem::path& log,
                               const ReceiverId& receiver_id, std::vector<Vanished>& vanished,
                               const Salvager::Known& known) {
  Database& database = writer_->database();
  DOAGENT_ASSIGN(maintenance_, Maintenance::Prepare(*writer_, options.seal));
  Sealer& sealer = maintenance_->sealer();
  DOAGENT_ASSIGN(retention_, Retention::Prepare(*writer_, sealer, reserve_, options.retention));
  DOAGENT_ASSIGN(salvager_, Salvager::Prepare(*writer_, sealer, Host(), known));
  DOAGENT_TRY(salvager_->AddVanished(vanished));
  DOAGENT_ASSIGN(scrubber_, Scrubber::Prepare(*writer_));
  DOAGENT_ASSIGN(forgetter_, Forgetter::Prepare(*writer_));
  DOAGENT_TRY(salvager_->TakeOverLogs(log));
  if (salvager_->SeenLogs()) DOAGENT_TRY(FinishLogs());
  // Whose they are is known before anybody else can claim them.
  DOAGENT_TRY(salvager_->PutOrigins());
  DOAGENT_ASSIGN(const auto own_id, LoadMeta(database, kOwnId));
  if (own_id) {
    const auto id = ReceiverId::FromBytes(*own_id);
    if (!id) return Fail(ErrorCode::kSalvage, database.path(), "the receiver's own id is damaged");
    receiver_id_ = *id;
  } else {
    const std::uint64_t halves[2] = {options.random(), options.random()};
    receiver_id_ = *ReceiverId::FromBytes({reinterpret_cast<const char*>(halves), sizeof halves});
    // Under the same name agents ask what is still here, and send the rest again.
    receiver_id_ = salvager_->FormerReceiver().value_or(receiver_id_);
    if (!receiver_id.IsZero()) receiver_id_ = receiver_id;
    DOAGENT_TRY(StoreMeta(database, kOwnId, receiver_id_.bytes()));
  }
  DOAGENT_TRY(LoadOrigins());
  for (const auto& [spool_id, origin] : origins_) maintenance_->Look(origin.row.number);
  return {};
}

std::vector<KnownOrigin> Inbox::Impl::KnownOrigins() const {
  std::vector<KnownOrigin> known;
  for (const auto& [spool_id, origin] : origins_) known.push_back({origin.row, origin.stored, {}});
  return known;
}

Result<void> Inbox::Impl::LoadOrigins() {
  DOAGENT_ASSIGN(auto rows, spool::LoadOrigins(writer_->database()));
  DOAGENT_ASSIGN(auto stored, LoadStored(writer_->database()));
  for (auto& row : rows) {
    InboxOrigin& origin = origins_[row.spool_id];
    origin.stored = std::move(stored[row.number]);
    origin.row = std::move(row);
  }
  return {};
}

Result<void> Inbox::Impl::PutClaim(const Principal& principal, const Claim& claim) {
  const auto found = origins_.find(claim.spool_id);
  OriginRow row;
  if (found != origins_.end()) {
    row = found->second.row;
    // What was salvaged without its principal is whose it is who knows its id first.
    if (row.principal.empty()) row.principal = principal.name;
  } else {
    row.spool_id = claim.spool_id;
    // Not what the claim asks about: another receiver may have that, and it will not come here.
    row.first_sequence = claim.head + 1;
    row.principal = principal.name;
  }
  const bool known = found != origins_.end() && found->second.row.principal == row.principal;
  if (known && claim.host == row.host) return {};
  OriginRow wanted = row;
  wanted.host = claim.host;
  DOAGENT_ASSIGN(Transaction transaction, writer_->Begin());
  DOAGENT_ASSIGN(wanted.number, PutOrigin(writer_->database(), wanted));
  DOAGENT_TRY(transaction.Commit());
  origins_[claim.spool_id].row = std::move(wanted);
  return {};
}

Result<StoredClaim> Inbox::Impl::Register(const Principal& principal, const Claim& claim) {
  const auto found = origins_.find(claim.spool_id);
  const bool owned = found != origins_.end() && !found->second.row.principal.empty();
  if (owned && found->second.row.principal != principal.name && !principal.relay) {
    return Fail(ErrorCode::kRefuse, "spool " + claim.spool_id.Hex(),
                "belongs to another principal");
  }
  DOAGENT_TRY(PutClaim(principal, claim));
  InboxOrigin& origin = origins_.at(claim.spool_id);
  origin.claimed = true;
  StoredClaim answer{claim.spool_id, {}, false};
  if (origin.stored.empty()) return answer;
  const Sequence last = origin.stored.last();
  if (claim.first_pending <= last) {
    for (const auto& part : origin.stored.Within({claim.first_pending, last})) {
      answer.stored.Add(part);
    }
  }
  auto conflicting = ConflictingIncarnations(claim.incarnations, claim.head,
                                             origin.row.incarnations, origin.stored);
  const bool knows_more = claim.current && last > claim.head;
  if (knows_more && !claim.incarnations.empty()) {
    conflicting.push_back(claim.incarnations.back().incarnation);
  }
  answer.conflict = knows_more || !conflicting.empty();
  origin.conflicting.insert(conflicting.begin(), conflicting.end());
  return answer;
}

Result<void> Inbox::Impl::WriteOrigins(const Working& working) {
  for (const auto& [spool_id, pending] : working) {
    const OriginRow& row = pending.origin.row;
    DOAGENT_TRY(WriteStored(writer_->database(), row.number, pending.origin.stored, pending.added));
    for (const auto& start : pending.begun) {
      DOAGENT_TRY(PutIncarnation(writer_->database(), row.number, start));
    }
  }
  return {};
}

Result<std::vector<BatchOutcome>> Inbox::Impl::Store(const std::vector<IncomingBatch>& batches,
                                                     WallTime now) {
  Working working;
  std::vector<BatchOutcome> outcomes;
  outcomes.reserve(batches.size());
  DOAGENT_ASSIGN(Transaction transaction, writer_->Begin());
  for (const auto& batch : batches) {
    const auto found = origins_.find(batch.spool_id);
    if (found == origins_.end() || !found->second.claimed) {
      outcomes.push_back({.claimed = false});
      continue;
    }
    const auto entry =
        working.try_emplace(batch.spool_id, PendingOrigin{found->second, {}, {}, {}}).first;
    DOAGENT_ASSIGN(BatchOutcome outcome, StoreBatch(batch, entry->second));
    outcomes.push_back(std::move(outcome));
  }
  DOAGENT_TRY(WriteOrigins(working));
  DOAGENT_TRY(transaction.Commit());
  retention_->KeepRoom();
  for (auto& [spool_id, pending] : working) {
    for (const Sequence sequence : pending.rows) {
      maintenance_->NoteRow(pending.origin.row.number, sequence, now);
    }
    origins_[spool_id] = std::move(pending.origin);
  }
  return outcomes;
}

Inbox::Inbox(const InboxOptions& options)
    : options_(options), held_(std::make_unique<HeldFile>(options.path)), wall_(options.wall) {}
Inbox::~Inbox() {
  // On a full disk the next start might not find the space for a log again.
  if (impl_ && impl_->disk_full()) impl_->writer().database().LeaveLogAtClose(true);
}

Result<std::unique_ptr<Inbox>> Inbox::Open(const InboxOptions& options) {
  DOAGENT_CHECK(options.random != nullptr);
  // Before the lock: its file is not to be left beside somebody else's.
  DOAGENT_ASSIGN([[maybe_unused]] const Recognised recognised, Recognise(options.path));
  std::unique_ptr<Inbox> inbox(new Inbox(options));
  DOAGENT_ASSIGN(LockFile lock, LockFile::Acquire(options.path, options.program));
  inbox->lock_ = std::make_unique<LockFile>(std::move(lock));
  inbox->reserve_ = std::make_unique<ReserveFile>(options.path, options.retention.bytes_max);
  DOAGENT_ASSIGN(OwnedFile owned,
                 OpenOwned(options.path, Role::kReceiver, options.wall, *inbox->reserve_));
  auto opened = inbox->Noting(inbox->OpenFile(std::move(owned)));
  // What looked well from outside and is not.
  if (!opened && opened.error().code == ErrorCode::kSalvage) opened = inbox->MakeReady();
  if (!opened) return Fail(std::move(opened).error());
  return inbox;
}

Result<void> Inbox::OpenFile(OwnedFile owned) {
  // Until it is known to be well, it is not to be worked on.
  Database& database = owned.writer->database();
  database.LeaveLogAtClose(true);
  DOAGENT_ASSIGN(RunReader runs, RunReader::Prepare(owned.writer->database()));
  auto impl = std::make_unique<Impl>(std::move(owned.writer), *reserve_, std::move(runs));
  DOAGENT_TRY(impl->Load(options_, owned.log_aside, receiver_id_, vanished_, known_));
  for (auto one = registered_.begin(); one != registered_.end();) {
    const auto claim = impl->Register(one->second.principal, one->second.claim);
    const bool refused = !claim && claim.error().code == ErrorCode::kRefuse;
    if (!claim && !refused) return Fail(claim.error());
    // One that is another's now holds up nobody else: it is told so when it sends.
    one = refused ? registered_.erase(one) : std::next(one);
  }
  receiver_id_ = impl->receiver_id();
  DOAGENT_TRY(held_->Hold(database));
  database.LeaveLogAtClose(false);
  impl_ = std::move(impl);
  damage_.clear();
  if (!owned.replaced.empty()) {
    if (notices_.size() >= kNoticesMax) notices_.pop_back();
    notices_.push_back(owned.replaced + "; what is intact in it is being taken over");
  }
  return {};
}

Result<void> Inbox::MakeReady() {
  const std::size_t before = vanished_.size();
  auto ready = BringUp();
  if (!ready && MayStay(ready.error()) && vanished_.size() > before) KeepVanished();
  return ready;
}

void Inbox::NoteVanished() {
  CloseFile();
  closed_with_.clear();
  if (auto vanished = held_->TakeVanished(wall_)) vanished_.push_back(*std::move(vanished));
  damage_.clear();
  replaced_ = "the file of the spool was removed or replaced while the receiver ran";
}

void Inbox::KeepVanished() {
  if (held_->IsGone()) NoteVanished();
  const auto kept = spool::KeepVanished(options_.path, vanished_);
  if (!kept) {
    notices_.push_back(
        "what was removed is lost if the receiver ends before it can be taken over: " +
        kept.error().Message());
    return;
  }
  // Whoever takes it over now does it under its new name.
  CloseFile();
  for (const auto& aside : *kept) {
    notices_.push_back("what was removed is kept as " + aside.string() +
                       " until it can be taken over");
  }
}

Result<void> Inbox::BringUp() {
  if (!lock_->IsNamed()) {
    DOAGENT_ASSIGN(*lock_, LockFile::Acquire(options_.path, options_.program));
    // Another may have written meanwhile.
    CloseFile();
  }
  // There may have been no descriptor left for it.
  const bool moved = impl_ && !held_->holds() && impl_->writer().database().HasMoved();
  if (impl_ && !held_->holds() && !moved) held_->Hold();
  if (moved || held_->IsGone()) {
    NoteVanished();
  }
  if (impl_ && impl_->writer().database().IsCutOff()) {
    damage_ = kCutOff;
    CloseFile();
  }
  if (impl_ && held_->LogIsGone()) {
    // Without its log the database alone would lack the newest records: now it has them.
    DOAGENT_TRY(impl_->writer().database().EmptyLog());
    CloseFile();
  }
  if (impl_) return {};
  if (!damage_.empty()) {
    DOAGENT_ASSIGN(const auto aside, SetAside(options_.path, wall_));
    held_->Release();
    if (!aside.empty()) known_[aside.filename().string()] = std::exchange(closed_with_, {});
    replaced_ = WhyReplaced(std::exchange(damage_, {}), aside);
  }
  if (!replaced_.empty()) {
    DOAGENT_ASSIGN(OwnedFile owned, OpenOwned(options_.path, Role::kReceiver, wall_, *reserve_));
    owned.replaced = replaced_;
    DOAGENT_TRY(OpenFile(std::move(owned)));
    replaced_.clear();
    return {};
  }
  OwnedFile owned;
  DOAGENT_ASSIGN(owned.writer, OpenAgain(options_.path, Role::kReceiver));
  return OpenFile(std::move(owned));
}

template <typename T>
Result<T> Inbox::Noting(Result<T> result) {
  if (result || result.error().code == ErrorCode::kRefuse) return result;
  if (result.error().code == ErrorCode::kBusy) return result;
  if (result.error().code == ErrorCode::kEvict) {
    if (impl_) impl_->NoteDiskFull();
    reserve_->GiveUp();
    return result;
  }
  if (result.error().code == ErrorCode::kSalvage) damage_ = result.error().what;
  // Opened again, it would look as if nothing had been in there.
  if (damage_.empty() && impl_ && impl_->writer().database().IsCutOff()) damage_ = kCutOff;
  CloseFile();
  return result;
}

void Inbox::CloseFile() {
  if (impl_) {
    impl_->writer().database().LeaveLogAtClose(true);
    closed_with_ = impl_->KnownOrigins();
  }
  impl_.reset();
}

Result<void> Inbox::ForgetTakenOver() {
  if (impl_ && impl_->nothing_to_take_over()) known_.clear();
  while (impl_ && !vanished_.empty()) {
    DOAGENT_ASSIGN(const bool taken_over,
                   WasSalvaged(impl_->writer().database(), vanished_.front().name));
    if (!taken_over) break;
    vanished_.erase(vanished_.begin());
  }
  return {};
}

Result<void> Inbox::TakeOverVanished() {
  const auto ready = Noting(MakeReady());
  auto taken = ready;
  for (bool more = true; taken && more && !vanished_.empty();) {
    const auto maintained = Maintain(wall_, mono_);
    if (!maintained) taken = Fail(maintained.error());
    more = maintained && *maintained;
  }
  // The next start goes on with what has a name.
  if (vanished_.empty() && !held_->IsGone()) return {};
  KeepVanished();
  if (vanished_.empty()) return {};
  return taken ? Fail(ErrorCode::kRetry, options_.path.string(),
                      "what was removed cannot be taken over")
               : taken;
}

std::vector<std::string> Inbox::TakeNotices() {
  auto notices = std::exchange(notices_, {});
  if (!impl_) return notices;
  for (std::string& notice : impl_->TakeNotices()) notices.push_back(std::move(notice));
  return notices;
}

Result<StoredClaim> Inbox::Register(const Principal& principal, const Claim& claim) {
  DOAGENT_TRY(Noting(MakeReady()));
  auto stored = Noting(impl_->Register(principal, claim));
  if (!stored) return stored;
  Registered& registered = registered_[claim.spool_id];
  registered = {principal, claim};
  // What comes later is beyond the head of now: no sign of another history.
  registered.claim.current = false;
  return stored;
}

Result<std::vector<BatchOutcome>> Inbox::Store(const std::vector<IncomingBatch>& batches,
                                               WallTime now) {
  wall_ = now;
  DOAGENT_TRY(Noting(MakeReady()));
  return Noting(impl_->Store(batches, now));
}

Result<bool> Inbox::Maintain(WallTime wall, MonoTime mono) {
  wall_ = wall;
  mono_ = mono;
  DOAGENT_TRY(Noting(MakeReady()));
  auto more = Noting(impl_->Maintain(wall, mono));
  DOAGENT_TRY(Noting(ForgetTakenOver()));
  // What has to be claimed anew is not known to the next file either.
  if (impl_) {
    std::erase_if(registered_, [this](const auto& one) { return !impl_->IsClaimed(one.first); });
  }
  return more;
}

}  // namespace doagent::spool
