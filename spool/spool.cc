#include "spool/spool.h"

#include <utility>

#include "spool/check.h"
#include "spool/layout.h"
#include "spool/opening.h"
#include "spool/range_table.h"
#include "spool/request.h"
#include "spool/spool_impl.h"

namespace doagent::spool {
namespace {

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

}  // namespace

Result<void> Spool::Impl::Begin(const SpoolOptions& options) {
  DOAGENT_ASSIGN(Transaction transaction, writer_->Begin());
  // Before anything is read: what another connection commits after this is seen by the next append.
  DOAGENT_ASSIGN(seen_data_version_, writer_->DataVersion());
  // What they did is in the states that are loaded below.
  DOAGENT_ASSIGN([[maybe_unused]] const RequestsDone requests,
                 ExecuteRequests(writer_->database()));
  DOAGENT_ASSIGN(const Opening opening, BeginIncarnation(writer_->database(), options));
  Sequence sequence = opening.next_sequence;
  Event event{EventKind::kStart, options.wall, options.mono, options.boot_id, "", SpoolId(), {}, 0};
  if (!opening.identity_change.empty()) {
    event.kind = EventKind::kIdentityChange;
    event.reason = opening.identity_change;
    const StoredRecord record = EncodeEvent(event, opening.incarnation, sequence++);
    DOAGENT_TRY(writer_->InsertRecord(opening.current, record, std::nullopt));
  }
  event.kind = EventKind::kStart;
  event.reason = opening.reason;
  DOAGENT_TRY(writer_->InsertRecord(
      opening.current, EncodeEvent(event, opening.incarnation, sequence), std::nullopt));
  DOAGENT_TRY(transaction.Commit());

  incarnation_ = opening.incarnation;
  encoder_.emplace(incarnation_, key_interval_);
  current_ = opening.current;
  DOAGENT_ASSIGN(states_, LoadStates(writer_->database()));
  DOAGENT_ASSIGN(maintenance_, Maintenance::Prepare(*writer_, options.seal));
  DOAGENT_ASSIGN(retention_,
                 Retention::Prepare(*writer_, maintenance_->sealer(), options.retention));
  for (const auto& [number, state] : states_) maintenance_->Look(number);
  DOAGENT_ASSIGN(read_database_, OpenForReading(path_));
  DOAGENT_ASSIGN(runs_, RunReader::Prepare(*read_database_));
  DOAGENT_ASSIGN(objects_, ObjectTable::Prepare(*read_database_));
  return {};
}

OriginState* Spool::Impl::Find(const SpoolId& spool_id) {
  for (auto& [number, state] : states_) {
    if (state.row.spool_id == spool_id) return &state;
  }
  return nullptr;
}

const OriginState* Spool::Impl::Find(const SpoolId& spool_id) const {
  return const_cast<Impl*>(this)->Find(spool_id);
}

void Spool::Impl::OnAppend(std::function<void()> callback) {
  const std::lock_guard lock(state_mutex_);
  on_append_ = std::move(callback);
}

SpoolId Spool::Impl::spool_id() const {
  const std::lock_guard lock(state_mutex_);
  return states_.at(current_).row.spool_id;
}

Sequence Spool::Impl::head() const {
  const std::lock_guard lock(state_mutex_);
  return states_.at(current_).head;
}

Spool::Spool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Spool::~Spool() = default;

Result<std::unique_ptr<Spool>> Spool::Open(const SpoolOptions& options) {
  DOAGENT_CHECK(options.random != nullptr);
  DOAGENT_TRY(RefuseOtherFiles(options.path));
  DOAGENT_ASSIGN(LockFile lock, LockFile::Acquire(options.path, options.program));
  DOAGENT_ASSIGN(auto writer, Writer::Open(options.path, Role::kAgent));
  auto impl = std::make_unique<Impl>(options, std::move(lock), std::move(writer));
  DOAGENT_TRY(impl->Begin(options));
  return std::unique_ptr<Spool>(new Spool(std::move(impl)));
}

Result<void> Spool::CheckPath(const std::filesystem::path& path) {
  return RefuseOtherFiles(path);
}

Result<Sequence> Spool::Append(const Snapshot& snapshot) {
  return impl_->Append(snapshot);
}
Result<Sequence> Spool::Append(const Event& event) {
  return impl_->Append(event);
}
Result<bool> Spool::Maintain(WallTime wall, MonoTime mono) {
  return impl_->Maintain(wall, mono);
}
Result<std::vector<Claim>> Spool::Claims() {
  return impl_->Claims();
}
Result<PendingRecords> Spool::NextPending(const SpoolId& spool_id, const RangeSet& skip,
                                          std::size_t bytes_max) {
  return impl_->NextPending(spool_id, skip, bytes_max);
}
Result<PendingRecords> Spool::Read(const SpoolId& spool_id, SequenceRange range) {
  return impl_->Read(spool_id, range);
}
Result<std::vector<StoredObject>> Spool::Objects(const std::vector<ObjectId>& ids) {
  return impl_->Objects(ids);
}
void Spool::Acknowledge(const SpoolId& spool_id, const ReceiverId& receiver,
                        const RangeSet& ranges) {
  impl_->Acknowledge(spool_id, receiver, ranges);
}
RangeSet Spool::Acknowledged(const SpoolId& spool_id, const ReceiverId& receiver) const {
  return impl_->Acknowledged(spool_id, receiver);
}
Result<void> Spool::Unacknowledge(const SpoolId& spool_id, const ReceiverId& receiver,
                                  const RangeSet& ranges) {
  return impl_->Unacknowledge(spool_id, receiver, ranges);
}
Result<void> Spool::Park(const SpoolId& spool_id, const RangeSet& sequences,
                         const std::string& reason, WallTime wall, MonoTime mono) {
  return impl_->Park(spool_id, sequences, reason, wall, mono);
}
Result<SpoolId> Spool::StartNewEpoch(Sequence from, const std::string& reason, WallTime wall,
                                     MonoTime mono) {
  return impl_->StartNewEpoch(from, reason, wall, mono);
}
void Spool::OnAppend(std::function<void()> callback) {
  impl_->OnAppend(std::move(callback));
}
SpoolId Spool::spool_id() const {
  return impl_->spool_id();
}
Sequence Spool::head() const {
  return impl_->head();
}
const std::filesystem::path& Spool::path() const {
  return impl_->path();
}

}  // namespace doagent::spool
