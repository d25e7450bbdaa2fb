// Records that could not be stored yet: kept in memory, bounded; the oldest are dropped first and
// counted. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <variant>

#include "spool/model.h"

namespace doagent::spool {

using Content = std::variant<Snapshot, Event>;

class AppendQueue {
 public:
  void Push(Content content);
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  // REQUIRES !empty().
  const Content& front() const { return entries_.front().content; }
  void Pop();
  // For what can never be stored: an event that says so. REQUIRES !empty().
  void ReplaceFront(Event event);

  // How many had to be dropped and are not settled, all of them before the ones that are left.
  std::uint64_t dropped() const { return dropped_; }
  // REQUIRES as many.
  void SettleDropped(std::uint64_t count) { dropped_ -= count; }

 private:
  struct Entry {
    Content content;
    std::size_t bytes = 0;
  };

  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace doagent::spool
