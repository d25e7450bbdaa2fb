// What the Session sends next: first what was refused and is due again, then what is pending.

#include <algorithm>
#include <utility>

#include "spool/check.h"
#include "uploader/batch_builder.h"
#include "uploader/session.h"

namespace doagent::uploader {
namespace {

// Waiting until a fair part of a batch fits keeps batches from shrinking to whatever the last
// acknowledgement has just freed.
constexpr std::size_t kRoomShare = 4;

}  // namespace

std::size_t Session::BatchLimit() const {
  return std::min({batch_size_.limit_bytes(), options_.batch_bytes_max, options_.window_bytes});
}

std::size_t Session::WindowLimit() const {
  return std::min(options_.window_bytes, BatchLimit() * BatchSize::kBatchesInWindow);
}

Result<void> Session::Pump(MonoTime now, WallTime wall) {
  while (!refuses_everything()) {
    DOAGENT_ASSIGN(const Progress progress, SendNext(now, wall));
    if (progress != Progress::kDone) break;
  }
  return {};
}

Result<Session::Progress> Session::SendNext(MonoTime now, WallTime wall) {
  if (in_flight_.size() >= kBatchesInFlightMax) return Progress::kBlocked;
  if (!in_flight_.empty() && in_flight_.bytes() + BatchLimit() / kRoomShare > WindowLimit()) {
    return Progress::kBlocked;
  }
  if (auto item = retries_.TakeDue(now)) return Retry(*std::move(item), now, wall);
  if (retries_.size() >= kRetriesMax) return Progress::kBlocked;
  return SendPending(now);
}

Result<Session::Progress> Session::SendPending(MonoTime now) {
  for (auto& origin : origins_) {
    const Sequence head = HeadOf(origin);
    if (origin.drained_at == head) continue;
    const auto& spool_id = origin.claim.spool_id;
    spool::RangeSet busy;
    in_flight_.AddTo(spool_id, busy);
    retries_.AddTo(spool_id, busy);
    DOAGENT_ASSIGN(auto pending, spool_.NextPending(spool_id, busy, BatchLimit()));
    if (pending.empty()) {
      origin.drained_at = head;
      continue;
    }
    RetryItem first_try;
    first_try.spool_id = spool_id;
    return Send(first_try, ObjectChoice::kUnsent, std::move(pending), now);
  }
  return Progress::kNothing;
}

Result<Session::Progress> Session::Retry(RetryItem item, MonoTime now, WallTime wall) {
  auto records = ReadAgain(item);
  if (!records.has_value()) {
    retries_.PushNext(std::move(item));
    return Fail(std::move(records).error());
  }
  // What is more than one read or one batch takes is simply pending again.
  LookAgain();
  if (records->empty()) return Progress::kDone;  // delivered, evicted or moved since
  auto progress = item.split ? Split(item, *records, wall, now)
                             : Send(item, ObjectChoice::kAll, *std::move(records), now);
  const bool done = progress.has_value() && *progress == Progress::kDone;
  if (!done) retries_.PushNext(std::move(item));
  return progress;
}

Result<spool::PendingRecords> Session::ReadAgain(const RetryItem& item) {
  DOAGENT_CHECK(!item.sequences.empty());
  DOAGENT_ASSIGN(auto read,
                 spool_.Read(item.spool_id, {item.sequences.first(), item.sequences.last()}));
  // It brings what was delivered or set aside in between, too.
  std::erase_if(read.records, [&item](const spool::StoredRecord& record) {
    return !item.sequences.Contains(record.sequence);
  });
  return read;
}

Result<Session::Progress> Session::Split(const RetryItem& item,
                                         const spool::PendingRecords& records, WallTime wall,
                                         MonoTime now) {
  if (records.block || records.records.size() == 1) {
    // Of a block, some may have been delivered before it was sealed.
    spool::RangeSet refused = Intersection(SequencesOf(records), item.sequences);
    for (const auto& range : spool_.Acknowledged(item.spool_id, receiver_).ToVector()) {
      refused.Remove(range);
    }
    if (!refused.empty()) DOAGENT_TRY(Park(item.spool_id, refused, item.reason, wall, now));
    return Progress::kDone;
  }
  RetryItem half = item;
  half.split = false;
  const auto middle =
      records.records.begin() + static_cast<std::ptrdiff_t>(records.records.size() / 2);
  half.sequences = spool::SequencesOf({middle, records.records.end()});
  retries_.PushNext(half);
  half.sequences = spool::SequencesOf({records.records.begin(), middle});
  retries_.PushNext(std::move(half));
  return Progress::kDone;
}

Result<void> Session::Park(const SpoolId& spool_id, const spool::RangeSet& sequences,
                           const std::string& reason, WallTime wall, MonoTime now) {
  DOAGENT_TRY(spool_.Park(spool_id, sequences, reason, wall, now));
  counters_.records_parked += sequences.count();
  ++parks_without_ack_;
  if (!first_parked_) first_parked_ = {spool_id, sequences.first(), wall, reason};
  return {};
}

Result<Session::Progress> Session::Send(const RetryItem& item, ObjectChoice objects,
                                        spool::PendingRecords records, MonoTime now) {
  const std::size_t room =
      in_flight_.bytes() < WindowLimit() ? WindowLimit() - in_flight_.bytes() : 0;
  auto sequences = SequencesOf(records);
  auto built =
      BuildBatch(spool_, std::move(records), objects, sent_objects_, std::min(BatchLimit(), room));
  if (!built.has_value()) {
    if (built.error().code != ErrorCode::kPark) return Fail(std::move(built).error());
    // Cannot be sent as it is: like a refusal for good, by ourselves.
    RetryItem split = item;
    split.sequences = std::move(sequences);
    split.split = true;
    split.reason = built.error().Message();
    retries_.PushNext(std::move(split));
    return Progress::kDone;
  }
  if (!in_flight_.empty() && built->bytes > room) return Progress::kBlocked;

  SentBatch sent{.spool_id = item.spool_id,
                 .sequences = std::move(built->sequences),
                 .bytes = built->bytes,
                 .sent_at = now,
                 .objects = std::move(built->objects),
                 .history = item.history};
  ++counters_.batches_sent;
  counters_.bytes_sent += built->bytes;
  counters_.records_sent += sent.sequences.count();
  sent_objects_.Add(sent.objects);
  if (in_flight_.empty()) last_progress_ = now;
  in_flight_.Add(std::move(sent));
  transport_.Send(std::move(built->batch));
  return Progress::kDone;
}

}  // namespace doagent::uploader
