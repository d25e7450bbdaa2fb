// The file under the Spool: opened, opened again after a write failed, replaced when it is damaged
// or gone. Everything here holds the write lock.

#include <utility>

#include "spool/layout.h"
#include "spool/range_table.h"
#include "spool/request.h"
#include "spool/set_aside.h"
#include "spool/spool_impl.h"

namespace doagent::spool {
namespace {

tl::unexpected<Error> MissingOwnOrigin(const std::filesystem::path& path) {
  return Fail(ErrorCode::kSalvage, path.string(), "the origin that it is written by is not there");
}

}  // namespace

Result<std::map<OriginNumber, OriginState>> LoadStates(Database& database) {
  std::map<OriginNumber, OriginState> states;
  DOAGENT_ASSIGN(auto rows, LoadOrigins(database));
  for (auto& row : rows) {
    DOAGENT_ASSIGN(const Sequence head, HeadOf(database, row.number));
    const OriginNumber number = row.number;
    states.emplace(number, OriginState{std::move(row), head, Delivery()});
  }
  DOAGENT_ASSIGN(const auto receivers, LoadReceivers(database));
  DOAGENT_ASSIGN(const auto delivered, LoadDelivered(database));
  for (const auto& [receiver_id, receiver_number] : receivers) {
    for (auto& [number, state] : states) {
      const auto found = delivered.find({number, receiver_number});
      if (found != delivered.end()) state.delivery.Restore(receiver_id, found->second);
    }
  }
  DOAGENT_ASSIGN(const auto parked, LoadParked(database));
  for (const auto& [number, sequences] : parked) {
    if (const auto found = states.find(number); found != states.end()) {
      found->second.delivery.SetParked(sequences);
    }
  }
  return states;
}

Spool::Impl::~Impl() {
  // On a full disk the next start might not find the space for a log again.
  const bool disk_full = retention_ && retention_->disk_full();
  // The descriptors go last: see the header.
  CloseFile(/*leave_log=*/suspect_ || !damage_.empty() || disk_full);
}

Result<void> Spool::Impl::Begin() {
  const std::lock_guard lock(write_mutex_);
  {
    // Until there is a file.
    const std::lock_guard state_lock(state_mutex_);
    states_[current_] = OriginState();
  }
  auto opened = OpenOrMakeNew();
  // What looked well from outside and is not.
  if (!opened && opened.error().code == ErrorCode::kSalvage) {
    opened = ReplaceFile(opened.error().what);
  }
  if (opened) return opened;
  // Space may come, and a lock be given up: until then, records wait.
  const ErrorCode code = opened.error().code;
  if (code != ErrorCode::kEvict && code != ErrorCode::kBusy) return opened;
  Notice(opened.error().Message() + "; until that ends, records wait in memory");
  return {};
}

Result<void> Spool::Impl::OpenOrMakeNew() {
  begun_ = false;
  DOAGENT_ASSIGN(OwnedFile owned, OpenOwned(path_, Role::kAgent, wall_, reserve_));
  return OpenFile(std::move(owned));
}

Event Spool::Impl::EventNow(EventKind kind, std::string reason) const {
  return {kind, wall_, mono_, boot_id_, std::move(reason), SpoolId(), {}, 0};
}

Result<void> Spool::Impl::PrepareUpkeep() {
  DOAGENT_ASSIGN(maintenance_, Maintenance::Prepare(*writer_, options_.seal));
  Sealer& sealer = maintenance_->sealer();
  DOAGENT_ASSIGN(retention_, Retention::Prepare(*writer_, sealer, reserve_, options_.retention));
  DOAGENT_ASSIGN(salvager_, Salvager::Prepare(*writer_, sealer, options_.host, known_));
  DOAGENT_TRY(salvager_->AddVanished(vanished_));
  DOAGENT_ASSIGN(scrubber_, Scrubber::Prepare(*writer_));
  DOAGENT_ASSIGN(forgetter_, Forgetter::Prepare(*writer_));
  return {};
}

Result<Opening> Spool::Impl::WriteBeginning() {
  DOAGENT_ASSIGN(Transaction transaction, writer_->Begin());
  // Before anything is read: what another connection commits after this is seen by the next append.
  DOAGENT_ASSIGN(seen_data_version_, writer_->DataVersion());
  // What they did is in the states that are loaded later.
  DOAGENT_ASSIGN([[maybe_unused]] const RequestsDone requests,
                 ExecuteRequests(writer_->database()));
  SpoolOptions options = options_;
  options.wall = wall_;
  options.mono = mono_;
  DOAGENT_ASSIGN(Opening opening, BeginIncarnation(writer_->database(), options, beginning_due_));
  Sequence sequence = opening.next_sequence;
  const auto put = [&](const Event& event) {
    return writer_->InsertRecord(opening.current,
                                 EncodeEvent(event, opening.incarnation, sequence++), std::nullopt);
  };
  if (!opening.identity_change.empty()) {
    DOAGENT_TRY(put(EventNow(EventKind::kIdentityChange, opening.identity_change)));
  }
  DOAGENT_TRY(put(EventNow(EventKind::kStart, opening.reason)));
  DOAGENT_TRY(transaction.Commit());
  return opening;
}

Result<void> Spool::Impl::OpenForReadingToo() {
  const std::lock_guard lock(read_mutex_);
  objects_.reset();
  runs_.reset();
  auto reading = OpenForReading(path_);
  // It was opened for writing just before: the path is right.
  if (!reading && reading.error().code == ErrorCode::kRefuse) return GoneWhileOpened(path_);
  DOAGENT_ASSIGN(read_database_, std::move(reading));
  DOAGENT_ASSIGN(runs_, RunReader::Prepare(*read_database_));
  DOAGENT_ASSIGN(objects_, ObjectTable::Prepare(*read_database_));
  return {};
}

Result<void> Spool::Impl::OpenFile(OwnedFile owned) {
  if (!owned.replaced.empty() && beginning_due_.empty()) {
    beginning_due_ = owned.replaced;
  }
  auto opened = UseFile(std::move(owned));
  if (!opened) CloseFile(/*leave_log=*/true);
  return opened;
}

Result<void> Spool::Impl::UseFile(OwnedFile owned) {
  writer_ = std::move(owned.writer);
  // The first copy is the whole one: what is taken over is written over the rest of the log.
  if (log_due_.empty()) log_due_ = owned.log_aside;
  DOAGENT_TRY(PrepareUpkeep());
  DOAGENT_TRY(salvager_->TakeOverLogs(log_due_));
  DOAGENT_ASSIGN(const auto own_id, LoadMeta(writer_->database(), "spool_id"));
  if (own_id && beginning_due_.empty() && salvager_->Concerns(*own_id)) {
    beginning_due_ = "records of the spool id that was written here are still to be taken over";
  }
  auto opening = WriteBeginning();
  if (!opening && opening.error().code == ErrorCode::kEvict && reserve_.GiveUp()) {
    opening = WriteBeginning();
  }
  if (!opening) return Fail(std::move(opening).error());
  beginning_due_.clear();
  if (!opening->identity_change.empty()) {
    Notice(opening->identity_change + "; a new spool id begins: " + opening->reason);
  }

  incarnation_ = opening->incarnation;
  encoder_.emplace(incarnation_, options_.key_interval);
  key_number_.reset();
  suspect_ = false;
  damage_.clear();
  DOAGENT_ASSIGN(auto states, LoadStates(writer_->database()));
  for (const auto& [number, state] : states) maintenance_->Look(number);
  {
    const std::lock_guard lock(state_mutex_);
    current_ = opening->current;
    states_ = std::move(states);
    damage_seen_.clear();
  }
  DOAGENT_TRY(BeginToForget());
  DOAGENT_TRY(OpenForReadingToo());
  DOAGENT_TRY(held_.Hold(writer_->database()));
  if (salvager_->SeenLogs()) DOAGENT_TRY(FinishLogs());
  // What fails before this begins anew, with a start event more.
  begun_ = true;
  log_due_.clear();
  tried_.reset();
  return {};
}

Result<void> Spool::Impl::FinishLogs() {
  while (salvager_->SeenLogs()) DOAGENT_TRY(FinishSalvage());
  // What is left of a damaged log would look like lost commits once more.
  return StartLogAnew(writer_->database());
}

void Spool::Impl::CloseFile(bool leave_log) {
  const std::lock_guard lock(read_mutex_);
  forgetter_.reset();
  scrubber_.reset();
  salvager_.reset();
  retention_.reset();
  maintenance_.reset();
  if (writer_) writer_->database().LeaveLogAtClose(leave_log);
  if (read_database_) read_database_->LeaveLogAtClose(leave_log);
  objects_.reset();
  runs_.reset();
  read_database_.reset();
  writer_.reset();
}

Result<void> Spool::Impl::Reopen() {
  CloseFile(/*leave_log=*/true);
  auto reopened = ReopenFile();
  if (!reopened) CloseFile(/*leave_log=*/true);
  return reopened;
}

Result<void> Spool::Impl::ReopenFile() {
  DOAGENT_ASSIGN(writer_, OpenAgain(path_, Role::kAgent));
  DOAGENT_TRY(PrepareUpkeep());
  DOAGENT_ASSIGN(auto stored, LoadStates(writer_->database()));
  DOAGENT_ASSIGN(const auto own_id, LoadMeta(writer_->database(), "spool_id"));
  const auto current_id = SpoolId::FromBytes(own_id.value_or(""));
  if (!current_id) return MissingOwnOrigin(path_);
  {
    const std::lock_guard lock(state_mutex_);
    // A failed commit may be there all the same: an epoch that began, origins that were salvaged.
    for (auto& [number, state] : stored) {
      maintenance_->Look(number);
      const auto known = states_.find(number);
      if (known == states_.end()) {
        states_.emplace(number, std::move(state));
        continue;
      }
      // No number is used twice, though the newest records may be gone. What an epoch took from
      // another origin is not that one's any more.
      const bool own = state.row.spool_id == *current_id;
      known->second.head = own ? std::max(known->second.head, state.head) : state.head;
      known->second.row = std::move(state.row);
      known->second.delivery.SetParked(state.delivery.parked());
      // A salvage may have filled them.
      known->second.delivery.ForgetHoles();
    }
    const OriginState* const own = Find(*current_id);
    if (own == nullptr) return MissingOwnOrigin(path_);
    current_ = own->row.number;
    // Now it is known: what is not there will be stored under whatever sequence comes then.
    const OriginState& current = Current();
    if (tried_ && (tried_->spool_id != current.row.spool_id || tried_->sequence > current.head)) {
      tried_.reset();
    }
  }
  // What is being removed by command does not come back.
  DOAGENT_TRY(BeginToForget());
  // The number is of the connection that was closed.
  seen_data_version_ = -1;
  // Which key the rows hang on is not known: they get a new one.
  encoder_.emplace(incarnation_, options_.key_interval);
  key_number_.reset();
  DOAGENT_TRY(OpenForReadingToo());
  DOAGENT_TRY(held_.Hold(writer_->database()));
  suspect_ = false;
  return {};
}

std::vector<KnownOrigin> Spool::Impl::KnownOrigins() const {
  const std::lock_guard lock(state_mutex_);
  std::vector<KnownOrigin> known;
  for (const auto& [number, state] : states_) {
    if (state.head < std::max<Sequence>(state.row.first_sequence, 1)) continue;
    known.push_back({state.row,
                     RangeSet({{std::max<Sequence>(state.row.first_sequence, 1), state.head}}),
                     state.delivery.acknowledged()});
  }
  return known;
}

Result<void> Spool::Impl::ReplaceFile(const std::string& why) {
  CloseFile(/*leave_log=*/true);
  DOAGENT_ASSIGN(const auto aside, SetAside(path_, wall_));
  const bool was_used = std::exchange(begun_, false);
  if (was_used && !aside.empty()) known_[aside.filename().string()] = KnownOrigins();
  // From here on there is nothing at the path, whatever becomes of the new file.
  held_.Release();
  log_due_.clear();
  damage_.clear();
  {
    const std::lock_guard lock(state_mutex_);
    damage_seen_.clear();
  }
  beginning_due_ = WhyReplaced(why, aside);
  return OpenOrMakeNew();
}

void Spool::Impl::NoteVanished() {
  CloseFile(/*leave_log=*/true);
  if (auto vanished = held_.TakeVanished(wall_)) vanished_.push_back(*std::move(vanished));
  log_due_.clear();
  begun_ = false;
  beginning_due_ = "the file of the spool was removed or replaced while the agent ran";
}

Result<void> Spool::Impl::ReplaceVanished() {
  NoteVanished();
  auto opened = OpenOrMakeNew();
  if (!opened && MayStay(opened.error())) KeepVanished();
  return opened;
}

Error Spool::Impl::Noted(Error error) {
  switch (error.code) {
    case ErrorCode::kRefuse:
    case ErrorCode::kPark:
    case ErrorCode::kBusy:
    case ErrorCode::kEvict: break;
    case ErrorCode::kSalvage: damage_ = error.what; break;
    case ErrorCode::kRetry:
    case ErrorCode::kFatal: suspect_ = true;
  }
  return error;
}

Result<void> Spool::Impl::MakeReady() {
  auto ready = MakeFileReady();
  // Whatever is refused, it is not the record that is about to be stored.
  if (!ready && ready.error().code == ErrorCode::kRefuse) ready.error().code = ErrorCode::kRetry;
  return ready;
}

Result<void> Spool::Impl::MakeFileReady() {
  if (!lock_.IsNamed()) {
    DOAGENT_ASSIGN(lock_, LockFile::Acquire(path_, options_.program));
    // Another may have written meanwhile: what follows is a new incarnation's.
    if (held_.IsAtPath()) {
      CloseFile(/*leave_log=*/true);
      return OpenOrMakeNew();
    }
  }
  if (damage_.empty()) {
    const std::lock_guard lock(state_mutex_);
    damage_ = damage_seen_;
  }
  // There may have been no descriptor left for it.
  if (begun_ && !held_.holds()) {
    if (writer_ && writer_->database().HasMoved()) return ReplaceVanished();
    held_.Hold();
  }
  if (held_.IsGone()) return ReplaceVanished();
  if (damage_.empty() && writer_ && writer_->database().IsCutOff()) damage_ = kCutOff;
  if (!damage_.empty()) return ReplaceFile(std::string(damage_));
  if (!begun_) return OpenOrMakeNew();
  if (writer_ && !suspect_ && held_.LogIsGone()) {
    // Without its log the database alone would lack the newest records: now it has them.
    DOAGENT_TRY(writer_->database().EmptyLog());
    suspect_ = true;
  }
  if (!writer_ || suspect_) return Reopen();
  return {};
}

Result<void> Spool::Impl::MakeReadyAndFlush() {
  if (!queue_.empty() || queue_.dropped() > 0) return Flush();
  return Noting(MakeReady());
}

}  // namespace doagent::spool
