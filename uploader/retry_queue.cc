#include "uploader/retry_queue.h"

#include <algorithm>
#include <utility>

namespace doagent::uploader {

std::optional<RetryItem> RetryQueue::TakeDue(MonoTime now) {
  const auto due = std::find_if(items_.begin(), items_.end(),
                                [now](const RetryItem& item) { return item.not_before <= now; });
  if (due == items_.end()) return std::nullopt;
  auto item = std::move(*due);
  items_.erase(due);
  return item;
}

void RetryQueue::Remove(const SpoolId& spool_id, const spool::RangeSet& ranges) {
  for (auto it = items_.begin(); it != items_.end();) {
    if (it->spool_id == spool_id) {
      for (const auto& range : Intersection(it->sequences, ranges).ToVector()) {
        it->sequences.Remove(range);
      }
    }
    it = it->sequences.empty() ? items_.erase(it) : std::next(it);
  }
}

MonoTime RetryQueue::NextTime(MonoTime now) const {
  auto next = MonoTime::max();
  for (const auto& item : items_) {
    if (item.not_before > now) next = std::min(next, item.not_before);
  }
  return next;
}

void RetryQueue::AddTo(const SpoolId& spool_id, spool::RangeSet& sequences) const {
  for (const auto& item : items_) {
    if (item.spool_id == spool_id) sequences.Add(item.sequences);
  }
}

}  // namespace doagent::uploader
