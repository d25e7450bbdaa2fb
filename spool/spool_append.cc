// The writing side of the Spool: everything here holds the write lock.

#include <algorithm>
#include <utility>

#include "spool/check.h"
#include "spool/object_codec.h"
#include "spool/opening.h"
#include "spool/range_table.h"
#include "spool/request.h"
#include "spool/spool_impl.h"

namespace doagent::spool {
namespace {

// Appends between two writings of acknowledgements: they change a page of their own, and losing
// some costs only a re-send.
constexpr int kAppendsPerAcknowledgement = 6;

// Of one record at one time.
constexpr int kAttempts = 3;

// Objects come with few rows. Schemas have limits of their own on what they decode to.
bool Readable(const StoredObject& object) {
  const auto content = OpenObject(object);
  return content && (object.kind != ObjectKind::kSchema || DecodeSchema(*content));
}

// What no reader and no receiver would take must not become durable.
Result<void> CheckLimits(const Snapshot& snapshot, const EncodedRow& row) {
  std::size_t series = 0;
  for (const auto& section : snapshot.sections) series += section.schema->size();
  const bool objects_fit = std::all_of(row.objects.begin(), row.objects.end(), Readable);
  if (series <= kSeriesMax && snapshot.sections.size() <= kSectionsMax && objects_fit &&
      row.record.payload.size() <= kRecordBytesMax) {
    return {};
  }
  return Fail(ErrorCode::kRefuse, "snapshot",
              std::to_string(series) + " series: more than a record takes (" +
                  std::to_string(kSeriesMax) + " series with their labels, " +
                  std::to_string(kRecordBytesMax) + " bytes); leave collectors or devices out");
}

Event RejectionOf(const Content& content, const Error& error) {
  return std::visit(
      [&error](const auto& record) -> Event {
        return {EventKind::kRejection, record.wall, record.mono, record.boot_id,
                error.Message(),       SpoolId(),   {},          1};
      },
      content);
}

}  // namespace

Sequence Spool::Impl::NextSequence() const {
  const std::lock_guard lock(state_mutex_);
  const OriginState& current = states_.at(current_);
  return std::max(current.head + 1, current.row.first_sequence);
}

OriginNumber Spool::Impl::CurrentNumber() const {
  const std::lock_guard lock(state_mutex_);
  return current_;
}

void Spool::Impl::AdvanceHead(Sequence head) {
  const std::lock_guard lock(state_mutex_);
  Current().head = head;
}

Unwritten Spool::Impl::TakeUnwritten() {
  const std::lock_guard lock(state_mutex_);
  Unwritten unwritten;
  for (auto& [number, state] : states_) {
    auto taken = state.delivery.TakeUnwritten();
    if (!taken.empty()) unwritten.emplace(number, std::move(taken));
  }
  return unwritten;
}

void Spool::Impl::GiveBack(const Unwritten& unwritten) {
  const std::lock_guard lock(state_mutex_);
  for (const auto& [number, by_receiver] : unwritten) {
    const auto found = states_.find(number);
    if (found != states_.end()) found->second.delivery.GiveBackUnwritten(by_receiver);
  }
}

Result<void> Spool::Impl::WriteAcknowledgements(const Unwritten& unwritten) {
  for (const auto& [number, by_receiver] : unwritten) {
    for (const auto& [receiver, changed] : by_receiver) {
      RangeSet all;
      {
        const std::lock_guard lock(state_mutex_);
        const auto found = states_.find(number);
        if (found == states_.end()) break;  // forgotten since
        all = found->second.delivery.acknowledged(receiver);
      }
      DOAGENT_ASSIGN(const ReceiverNumber receiver_number,
                     PutReceiver(writer_->database(), receiver));
      DOAGENT_TRY(WriteDelivered(writer_->database(), number, receiver_number, all, changed));
    }
  }
  return {};
}

void Spool::Impl::PutParkedBack() {
  const std::lock_guard lock(state_mutex_);
  for (auto& [number, state] : states_) state.delivery.PutParkedBack();
  ++offers_;
}

Result<void> Spool::Impl::Commit(bool acknowledgements_due,
                                 const std::function<Result<void>()>& body) {
  Unwritten unwritten;
  if (acknowledgements_due) unwritten = TakeUnwritten();
  RequestsDone requests;
  std::int64_t data_version = 0;
  const auto run = [&]() -> Result<void> {
    DOAGENT_ASSIGN(Transaction transaction, writer_->Begin());
    // Requests come first: what the body parks was not meant by whoever wanted parked records back.
    DOAGENT_ASSIGN(data_version, writer_->DataVersion());
    if (data_version != seen_data_version_) {
      DOAGENT_ASSIGN(requests, ExecuteRequests(writer_->database()));
    }
    DOAGENT_TRY(body());
    DOAGENT_TRY(WriteAcknowledgements(unwritten));
    return transaction.Commit();
  };
  auto committed = run();
  if (!committed) {
    GiveBack(unwritten);
    return Fail(Noted(std::move(committed).error()));
  }
  seen_data_version_ = data_version;
  retention_->KeepRoom();
  if (acknowledgements_due) appends_since_acknowledgements_ = 0;
  if (requests.parked_put_back) PutParkedBack();
  if (requests.forget_wanted) forget_wanted_ = true;
  return {};
}

Result<void> Spool::Impl::PutObjectsAndInsert(OriginNumber origin, const StoredRecord& record,
                                              const std::vector<StoredObject>& objects) {
  std::optional<std::int64_t> key;
  if (record.kind == RecordKind::kRow) {
    key = key_number_;
    if (!objects.empty()) {
      DOAGENT_ASSIGN(key, writer_->PutObjects(objects));
    }
  }
  DOAGENT_TRY(writer_->InsertRecord(origin, record, key));
  // Valid once the transaction is; an encoder that is not told of success offers the objects again.
  if (key) key_number_ = key;
  return {};
}

Result<void> Spool::Impl::StoreOne(const Snapshot& snapshot, Sequence sequence) {
  const EncodedRow row = encoder_->Encode(snapshot, sequence);
  DOAGENT_TRY(CheckLimits(snapshot, row));
  const OriginNumber origin = CurrentNumber();
  const auto number_before = key_number_;
  const bool due = ++appends_since_acknowledgements_ >= kAppendsPerAcknowledgement;
  auto committed =
      Commit(due, [&]() { return PutObjectsAndInsert(origin, row.record, row.objects); });
  if (!committed) {
    key_number_ = number_before;
    return committed;
  }
  AdvanceHead(sequence);
  encoder_->Commit();
  maintenance_->NoteRow(origin, sequence, snapshot.wall);
  return {};
}

Result<void> Spool::Impl::StoreOne(const Event& event, Sequence sequence) {
  const StoredRecord record = EncodeEvent(event, incarnation_, sequence);
  DOAGENT_TRY(Commit(event.kind == EventKind::kStop, [&]() {
    return writer_->InsertRecord(CurrentNumber(), record, std::nullopt);
  }));
  AdvanceHead(sequence);
  return {};
}

template <typename Record>
Result<Sequence> Spool::Impl::Store(const Record& record) {
  // More than once: another file, or space given up, may be all that it takes.
  Error error;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto ready = MakeReady();
    const bool was_ready = ready.has_value();
    if (was_ready) {
      if (const auto tried = TakeTriedIfStored()) return tried->sequence;
    }
    const Sequence sequence = NextSequence();
    const Result<void> stored = was_ready ? StoreOne(record, sequence) : std::move(ready);
    if (stored) {
      tried_.reset();
      return sequence;
    }
    error = stored.error();
    if (error.code == ErrorCode::kRefuse) return Fail(std::move(error));
    if (was_ready) NoteTried(error, sequence, 0);
    error = Noted(std::move(error));
    const bool space_given_up = error.code == ErrorCode::kEvict && GiveUpSpace();
    if (!space_given_up && damage_.empty()) break;
  }
  return Fail(std::move(error));
}

std::optional<Tried> Spool::Impl::TakeTriedIfStored() {
  if (!tried_ || tried_->spool_id != spool_id() || tried_->sequence > head()) return std::nullopt;
  return std::exchange(tried_, std::nullopt);
}

void Spool::Impl::NoteTried(const Error& error, Sequence sequence, std::uint64_t dropped) {
  // Without space, or the lock, nothing was written; any other failed commit may be on the disk.
  if (error.code == ErrorCode::kEvict || error.code == ErrorCode::kBusy) return;
  tried_ = {spool_id(), sequence, dropped};
}

bool Spool::Impl::GiveUpSpace() {
  // From now on something is evicted, until there is space again.
  if (retention_) retention_->NoteDiskFull();
  return reserve_.GiveUp();
}

Result<void> Spool::Impl::StoreDropped() {
  DOAGENT_TRY(MakeReady());
  if (const auto tried = TakeTriedIfStored()) {
    // The event; or the record, which was the first one to be dropped.
    queue_.SettleDropped(std::max<std::uint64_t>(tried->dropped, 1));
    return {};
  }
  const Sequence first = NextSequence();
  const Sequence next = first + queue_.dropped();
  Event event = EventNow(EventKind::kGap, "could not be stored, and memory could not hold more");
  event.ranges = {{first, next - 1}};
  event.count = queue_.dropped();
  if (auto stored = StoreOne(event, next); !stored) {
    NoteTried(stored.error(), next, event.count);
    return stored;
  }
  tried_.reset();
  queue_.SettleDropped(event.count);
  return {};
}

Result<void> Spool::Impl::Flush() {
  while (!queue_.empty() || queue_.dropped() > 0) {
    if (queue_.dropped() > 0) {
      if (auto stored = StoreDropped(); !stored) {
        if (stored.error().code == ErrorCode::kEvict) GiveUpSpace();
        return Fail(Noted(std::move(stored).error()));
      }
      continue;
    }
    const auto stored =
        std::visit([this](const auto& record) { return Store(record); }, queue_.front());
    if (stored) {
      queue_.Pop();
    } else if (stored.error().code == ErrorCode::kRefuse) {
      queue_.ReplaceFront(RejectionOf(queue_.front(), stored.error()));
    } else {
      return Fail(stored.error());
    }
  }
  return {};
}

template <typename Record>
Result<Sequence> Spool::Impl::AppendAny(const Record& record) {
  std::function<void()> callback;
  Sequence sequence = 0;
  {
    const std::lock_guard lock(write_mutex_);
    wall_ = record.wall;
    mono_ = record.mono;
    Result<void> done;
    if (queue_.empty() && queue_.dropped() == 0) {
      const auto stored = Store(record);
      if (!stored) done = Fail(stored.error());
      if (!stored && stored.error().code != ErrorCode::kRefuse) queue_.Push(record);
    } else {
      queue_.Push(record);
      done = Flush();
    }
    const std::lock_guard state_lock(state_mutex_);
    waiting_ = queue_.size();
    if (!done) return Fail(std::move(done).error());
    sequence = Current().head;
    callback = on_append_;
  }
  if (callback) callback();
  return sequence;
}

Result<Sequence> Spool::Impl::Append(const Snapshot& snapshot) {
  return AppendAny(snapshot);
}

Result<Sequence> Spool::Impl::Append(const Event& event) {
  if (event.kind == EventKind::kStop) {
    const std::lock_guard lock(write_mutex_);
    wall_ = event.wall;
    mono_ = event.mono;
    // What hinders it hinders the event, too, and is told with that.
    if (!TakeOverVanished()) KeepVanished();
  }
  return AppendAny(event);
}

Result<void> Spool::Impl::InsertEpoch(const OriginRow& old_row, const StoredRecord& event,
                                      Sequence from, OriginRow& new_row) {
  Database& database = writer_->database();
  DOAGENT_ASSIGN(new_row.number, PutOrigin(database, new_row));
  DOAGENT_ASSIGN(RunReader runs, RunReader::Prepare(database));
  DOAGENT_ASSIGN(const RangeSet there, runs.Sequences(old_row.number));
  DOAGENT_TRY(CutThinned(database, old_row.number, from, there));
  DOAGENT_TRY(MoveSequences(database, old_row, new_row.number, from));
  DOAGENT_TRY(StoreMeta(database, "spool_id", new_row.spool_id.bytes()));
  return writer_->InsertRecord(new_row.number, event, std::nullopt);
}

Result<SpoolId> Spool::Impl::StartNewEpoch(Sequence from, const std::string& reason, WallTime wall,
                                           MonoTime mono) {
  const std::lock_guard write_lock(write_mutex_);
  DOAGENT_TRY(MakeReadyAndFlush());
  OriginRow old_row;
  Sequence head = 0;
  {
    const std::lock_guard lock(state_mutex_);
    old_row = Current().row;
    head = Current().head;
  }
  // Only what this incarnation wrote may change its name: the rest is history that others share.
  DOAGENT_CHECK(!old_row.incarnations.empty());
  from = std::clamp(from, old_row.incarnations.back().first_sequence, head + 1);

  DOAGENT_TRY(Commit(/*acknowledgements_due=*/false, [&]() -> Result<void> {
    return maintenance_->sealer().SplitAt(old_row.number, from);
  }));
  OriginRow new_row = old_row;
  new_row.number = 0;
  new_row.spool_id = RandomSpoolId(options_.random);
  new_row.first_sequence = from;
  const Event event{EventKind::kIdentityChange, wall, mono, boot_id_, reason,
                    old_row.spool_id,           {},   0};
  const StoredRecord record = EncodeEvent(event, incarnation_, head + 1);
  // Acknowledgements first go to the tables, so that they are moved with their records.
  DOAGENT_TRY(Commit(/*acknowledgements_due=*/true, []() -> Result<void> { return {}; }));
  DOAGENT_TRY(Commit(/*acknowledgements_due=*/false, [&]() -> Result<void> {
    return InsertEpoch(old_row, record, from, new_row);
  }));

  maintenance_->Look(old_row.number);
  maintenance_->Look(new_row.number);
  const std::lock_guard lock(state_mutex_);
  OriginState& old_state = Current();
  auto& starts = old_state.row.incarnations;
  if (starts.back().first_sequence >= from) starts.pop_back();
  old_state.head = from - 1;
  new_row.incarnations = {{incarnation_, from}};
  Delivery moved = old_state.delivery.SplitAt(from);
  current_ = new_row.number;
  const SpoolId new_id = new_row.spool_id;
  states_.emplace(current_, OriginState{std::move(new_row), record.sequence, std::move(moved)});
  return new_id;
}

}  // namespace doagent::spool
