#include "spool/append_queue.h"

#include <utility>

namespace doagent::spool {
namespace {

// Ten minutes of 500 series at a snapshot a second.
constexpr std::size_t kEntriesMax = 600;
constexpr std::size_t kBytesMax = 4 << 20;

std::size_t BytesOf(const Content& content) {
  std::size_t bytes = sizeof(Content);
  if (const auto* snapshot = std::get_if<Snapshot>(&content)) {
    for (const Section& section : snapshot->sections) {
      bytes += sizeof section + section.values.size() * (sizeof(std::uint64_t) + 1);
    }
  } else {
    const auto& event = std::get<Event>(content);
    bytes += event.reason.size() + event.ranges.size() * sizeof(SequenceRange);
  }
  return bytes;
}

}  // namespace

void AppendQueue::Push(Content content) {
  const std::size_t bytes = BytesOf(content);
  bytes_ += bytes;
  entries_.push_back({std::move(content), bytes});
  while (entries_.size() > 1 && (entries_.size() > kEntriesMax || bytes_ > kBytesMax)) {
    Pop();
    ++dropped_;
  }
}

void AppendQueue::Pop() {
  bytes_ -= entries_.front().bytes;
  entries_.pop_front();
}

void AppendQueue::ReplaceFront(Event event) {
  Pop();
  Content content = std::move(event);
  const std::size_t bytes = BytesOf(content);
  bytes_ += bytes;
  entries_.push_front({std::move(content), bytes});
}

}  // namespace doagent::spool
