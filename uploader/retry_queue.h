// Records that the receiver refused and that are to be offered again: later, with their objects, or
// in smaller pieces. Bounded by its user. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "spool/ids.h"
#include "spool/ranges.h"
#include "spool/time.h"
#include "uploader/in_flight.h"

namespace doagent::uploader {

struct RetryItem {
  SpoolId spool_id;
  spool::RangeSet sequences;
  MonoTime not_before = MonoTime::min();
  // Refused for good: to be offered as two halves, or set aside when it is a single record.
  bool split = false;
  std::string reason;  // of the refusal, for a person
  History history;
};

class RetryQueue {
 public:
  // To be done next. Of several the last one pushed comes first, so that splitting works in depth
  // and the queue stays short.
  void PushNext(RetryItem item) { items_.push_front(std::move(item)); }
  void PushLater(RetryItem item) { items_.push_back(std::move(item)); }

  // The first item that is due.
  std::optional<RetryItem> TakeDue(MonoTime now);
  // They turned out to be stored after all.
  void Remove(const SpoolId& spool_id, const spool::RangeSet& ranges);

  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  // When the next item that is not due yet will be; max() without one.
  MonoTime NextTime(MonoTime now) const;
  // Adds what is waiting of the origin.
  void AddTo(const SpoolId& spool_id, spool::RangeSet& sequences) const;

 private:
  std::deque<RetryItem> items_;
};

}  // namespace doagent::uploader
