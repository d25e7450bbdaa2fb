#include "tests/support/fake_transport.h"

#include <algorithm>
#include <utility>

namespace doagent::test {

using uploader::Closed;
using uploader::CloseReason;
using uploader::OutgoingBatch;
using uploader::TransportEvent;

namespace {

std::size_t BytesOf(const OutgoingBatch& batch) {
  std::size_t bytes = 0;
  for (const auto& record : batch.records) bytes += record.bytes();
  for (const auto& block : batch.blocks) bytes += block.bytes();
  for (const auto& object : batch.objects) bytes += object.payload.size();
  return bytes;
}

}  // namespace

FakeTransport::FakeTransport(ReceiverEnd& receiver, MonoTime& clock, std::uint64_t seed)
    : receiver_(receiver), clock_(clock), random_(seed) {}

void FakeTransport::Open(const std::vector<spool::Claim>& claims) {
  if (session_) violations.emplace_back("Open with a session open");
  attempts.push_back(clock_);
  hellos.push_back(claims);
  session_ = true;
  welcomed_ = false;
  if (stalled) return;
  if (refuse_with) {
    answers_.emplace(clock_ + latency, *refuse_with);
  } else if (!reachable) {
    answers_.emplace(clock_ + latency, Closed{CloseReason::kUnreachable, "connection refused", {}});
  } else {
    answers_.emplace(clock_ + 2 * latency, receiver_.Register(claims));
  }
}

void FakeTransport::Send(OutgoingBatch batch) {
  if (!closed_.empty()) return;  // cut, and the uploader has not heard of it yet
  if (!session_ || !welcomed_) violations.emplace_back("Send without a session");
  if (batch.records.empty() && batch.blocks.empty())
    violations.emplace_back("a batch without records");
  Unanswered sent{batch.spool_id, {}, BytesOf(batch)};
  for (const auto& record : batch.records) {
    if (!sent.sequences.empty() && record.sequence <= sent.sequences.last()) {
      violations.emplace_back("records out of order");
    }
    sent.sequences.Add({record.sequence, record.sequence});
  }
  for (const auto& block : batch.blocks) sent.sequences.Add(spool::SequencesOf(block));
  std::size_t in_flight = sent.bytes;
  for (const auto& other : unanswered_) {
    in_flight += other.bytes;
    if (other.spool_id != sent.spool_id) continue;
    for (const auto& range : sent.sequences.ToVector()) {
      if (other.sequences.Intersects(range)) violations.emplace_back("in flight twice");
    }
  }
  if (window_bytes_max > 0 && in_flight > window_bytes_max && !unanswered_.empty()) {
    violations.emplace_back("window of " + std::to_string(window_bytes_max) +
                            " exceeded: " + std::to_string(in_flight));
  }
  sends.push_back(clock_);
  batch_bytes_seen_max = std::max<std::uint64_t>(batch_bytes_seen_max, sent.bytes);
  in_flight_bytes_seen_max = std::max<std::uint64_t>(in_flight_bytes_seen_max, in_flight);
  auto arrival = std::max(clock_, link_free_);
  if (bytes_per_second > 0) {
    const double seconds = static_cast<double>(sent.bytes) / bytes_per_second;
    arrival += Nanoseconds(static_cast<Nanoseconds::rep>(seconds * 1e9));
  }
  link_free_ = arrival;
  unanswered_.push_back(std::move(sent));
  if (!stalled) on_the_way_.emplace(arrival + latency, std::move(batch));
}

void FakeTransport::Close() {
  session_ = false;
  welcomed_ = false;
  on_the_way_.clear();
  answers_.clear();
  closed_.clear();
  unanswered_.clear();
  link_free_ = MonoTime::min();
}

void FakeTransport::Cut(Closed closed) {
  if (!session_) return;
  Close();
  closed_.emplace_back(std::move(closed));
}

void FakeTransport::Say(TransportEvent event) {
  answers_.emplace(clock_, std::move(event));
}

void FakeTransport::Arrive() {
  while (!on_the_way_.empty() && on_the_way_.begin()->first <= clock_) {
    auto node = on_the_way_.extract(on_the_way_.begin());
    if (stalled) continue;
    auto events = receiver_.Store(std::move(node.mapped()));
    if (shuffle_answers) std::shuffle(events.begin(), events.end(), random_);
    for (auto& event : events) Answer(std::move(event), node.key() + latency);
  }
}

void FakeTransport::Answer(TransportEvent event, MonoTime at) {
  if (lose_answers > 0) {
    --lose_answers;
    return;
  }
  if (shuffle_answers)
    at += Nanoseconds(random_() % (4 * static_cast<std::uint64_t>(latency.count())));
  answers_.emplace(at, std::move(event));
}

MonoTime FakeTransport::NextTime() const {
  if (!closed_.empty()) return clock_;
  auto next = MonoTime::max();
  if (!on_the_way_.empty()) next = std::min(next, on_the_way_.begin()->first);
  if (!answers_.empty()) next = std::min(next, answers_.begin()->first);
  return next;
}

std::optional<TransportEvent> FakeTransport::Take() {
  Arrive();
  if (!closed_.empty()) {
    auto event = std::move(closed_.front());
    closed_.pop_front();
    return event;
  }
  while (!answers_.empty() && answers_.begin()->first <= clock_) {
    auto event = std::move(answers_.extract(answers_.begin()).mapped());
    if (stalled) continue;
    NoteDelivered(event);
    return event;
  }
  return std::nullopt;
}

void FakeTransport::NoteDelivered(const TransportEvent& event) {
  if (std::holds_alternative<uploader::Welcome>(event)) welcomed_ = true;
  if (std::holds_alternative<Closed>(event)) Close();
  const auto settle = [this](const SpoolId& spool_id, const spool::RangeSet& ranges) {
    for (auto& sent : unanswered_) {
      if (sent.spool_id != spool_id) continue;
      for (const auto& range : ranges.ToVector()) sent.sequences.Remove(range);
    }
    std::erase_if(unanswered_, [](const Unanswered& sent) { return sent.sequences.empty(); });
  };
  if (const auto* ack = std::get_if<uploader::Ack>(&event)) settle(ack->spool_id, ack->ranges);
  if (const auto* refused = std::get_if<uploader::Refused>(&event)) {
    settle(refused->spool_id, refused->ranges);
  }
}

std::optional<TransportEvent> FakeTransport::Wait(MonoTime deadline) {
  for (;;) {
    if (auto event = Take()) return event;
    if (std::exchange(woken_, false)) return std::nullopt;
    const auto next = NextTime();
    if (next >= deadline) {
      clock_ = std::max(clock_, deadline);
      return std::nullopt;
    }
    clock_ = std::max(clock_, next);
  }
}

}  // namespace doagent::test
