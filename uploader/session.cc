// The Session's bookkeeping of what the receiver answers. Sending is in session_send.cc.

#include "uploader/session.h"

#include <algorithm>
#include <utility>

#include "spool/check.h"
#include "uploader/reconcile.h"

namespace doagent::uploader {
namespace {

std::string ReasonOf(const Refused& refused) {
  std::string reason;
  switch (refused.reason) {
    case RefuseReason::kPermanent: reason = "refused by the receiver"; break;
    case RefuseReason::kRetry: reason = "refused by the receiver for now"; break;
    case RefuseReason::kMissingObject:
      reason = "the receiver misses an object of it, however often it is sent";
      break;
    case RefuseReason::kEpochConflict:
      reason = "the receiver has another record under this number";
      break;
  }
  return refused.detail.empty() ? reason : reason + ": " + refused.detail;
}

}  // namespace

Session::Session(spool::Spool& spool, Transport& transport, BatchSize& batch_size,
                 UploaderCounters& counters, const std::vector<spool::Claim>& claims,
                 const Welcome& welcome, SessionOptions options, MonoTime now)
    : spool_(spool),
      transport_(transport),
      batch_size_(batch_size),
      counters_(counters),
      options_(std::move(options)),
      receiver_(welcome.receiver),
      last_progress_(now) {
  DOAGENT_CHECK(options_.batch_bytes_max > 0 && options_.window_bytes > 0);
  for (const auto& claim : claims) origins_.push_back({claim, std::nullopt});
  std::stable_partition(origins_.begin(), origins_.end(),
                        [](const Origin& origin) { return !origin.claim.current; });
}

const Session::Origin* Session::Find(const SpoolId& spool_id) const {
  const auto found =
      std::find_if(origins_.begin(), origins_.end(),
                   [&spool_id](const Origin& origin) { return origin.claim.spool_id == spool_id; });
  return found == origins_.end() ? nullptr : &*found;
}

Sequence Session::HeadOf(const Origin& origin) const {
  return origin.claim.current ? std::max(origin.claim.head, spool_.head()) : origin.claim.head;
}

bool Session::OnAck(const Ack& ack, MonoTime now) {
  last_progress_ = now;
  const Origin* origin = Find(ack.spool_id);
  if (origin == nullptr) return false;
  // Also what this session never sent: it may be from an earlier one. The spool passes over numbers
  // that it has not given out.
  spool_.Acknowledge(ack.spool_id, receiver_, ack.ranges);
  retries_.Remove(ack.spool_id, ack.ranges);
  std::uint64_t records = 0;
  for (const auto& settled : in_flight_.Take(ack.spool_id, ack.ranges)) {
    records += settled.sequences.count();
    if (settled.whole) batch_size_.OnSettled(settled.batch_bytes, now - settled.sent_at);
  }
  if (records == 0) return false;
  counters_.records_acknowledged += records;
  anything_acknowledged_ = true;
  parks_without_ack_ = 0;
  return true;
}

std::optional<std::string> Session::OnRefused(const Refused& refused, MonoTime now) {
  last_progress_ = now;
  const Origin* origin = Find(refused.spool_id);
  if (origin == nullptr) return std::nullopt;
  for (const auto& settled : in_flight_.Take(refused.spool_id, refused.ranges)) {
    counters_.records_refused += settled.sequences.count();
    // What came with refused records was perhaps not stored either.
    sent_objects_.Forget(settled.objects);
    const bool movable = origin->claim.current &&
                         settled.sequences.last() >= EpochStart(spool_, origin->claim, receiver_);
    if (refused.reason == RefuseReason::kEpochConflict && movable) return ReasonOf(refused);
    Requeue(settled, refused, now);
  }
  return std::nullopt;
}

void Session::Requeue(const InFlight::Settled& settled, const Refused& refused, MonoTime now) {
  RetryItem item{.spool_id = refused.spool_id,
                 .sequences = settled.sequences,
                 .not_before = now,
                 .reason = ReasonOf(refused),
                 .history = settled.history};
  switch (refused.reason) {
    case RefuseReason::kRetry:
      item.not_before = now + RetryDelay(refused.retry_after, item.history.retry_refusals++);
      retries_.PushLater(std::move(item));
      return;
    case RefuseReason::kMissingObject:
      sent_objects_.Forget(refused.missing_objects);
      item.split = ++item.history.missing_object_refusals >= kMissingObjectRefusalsMax;
      break;
    case RefuseReason::kPermanent:
    case RefuseReason::kEpochConflict: item.split = true; break;
  }
  retries_.PushNext(std::move(item));
}

Nanoseconds Session::RetryDelay(std::chrono::milliseconds asked, int refusals_before) const {
  if (asked.count() > 0) {
    // A tenth more at most, so that all who were told the same do not come at once.
    const Nanoseconds delay = std::min(asked, options_.pushback_max);
    return delay + Jitter(Nanoseconds(0), delay / 10, options_.random);
  }
  // Without a time of the receiver's it is ours to go slower and slower.
  const int doublings = std::min(refusals_before, 16);
  const auto ceiling = std::min(options_.retry_max, options_.retry_min * (1 << doublings));
  return Jitter(options_.retry_min / 10, ceiling, options_.random);
}

void Session::LookAgain() {
  for (auto& origin : origins_) origin.drained_at.reset();
}

bool Session::Drained() const {
  return in_flight_.empty() && retries_.empty() &&
         std::all_of(origins_.begin(), origins_.end(),
                     [this](const Origin& origin) { return origin.drained_at == HeadOf(origin); });
}

}  // namespace doagent::uploader
