#include "spool/ranges.h"

#include <algorithm>
#include <iterator>

#include "spool/check.h"

namespace doagent::spool {

RangeSet::RangeSet(const std::vector<SequenceRange>& ranges) {
  for (const auto& range : ranges) Add(range);
}

void RangeSet::Add(SequenceRange range) {
  DOAGENT_CHECK(range.first <= range.last);
  // Start at the range that ends at or right before ours, if there is one, and swallow what
  // touches.
  auto it = ranges_.upper_bound(range.first);
  if (it != ranges_.begin()) {
    const auto before = std::prev(it);
    if (before->second >= range.first || before->second + 1 == range.first) it = before;
  }
  while (it != ranges_.end() && (it->first <= range.last || it->first == range.last + 1)) {
    range.first = std::min(range.first, it->first);
    range.last = std::max(range.last, it->second);
    it = ranges_.erase(it);
  }
  ranges_.emplace_hint(it, range.first, range.last);
}

void RangeSet::Add(const RangeSet& other) {
  for (const auto& [first, last] : other.ranges_) Add(SequenceRange{first, last});
}

void RangeSet::Remove(SequenceRange range) {
  DOAGENT_CHECK(range.first <= range.last);
  auto it = ranges_.upper_bound(range.first);
  if (it != ranges_.begin() && std::prev(it)->second >= range.first) --it;
  while (it != ranges_.end() && it->first <= range.last) {
    const auto [first, last] = *it;
    it = ranges_.erase(it);
    if (first < range.first) ranges_.emplace(first, range.first - 1);
    if (last > range.last) ranges_.emplace(range.last + 1, last);
  }
}

std::uint64_t RangeSet::count() const {
  std::uint64_t total = 0;
  for (const auto& [first, last] : ranges_) total += last - first + 1;
  return total;
}

bool RangeSet::Contains(Sequence sequence) const {
  return Contains(SequenceRange{sequence, sequence});
}

bool RangeSet::Contains(SequenceRange range) const {
  const auto it = ranges_.upper_bound(range.first);
  return it != ranges_.begin() && std::prev(it)->second >= range.last;
}

bool RangeSet::Intersects(SequenceRange range) const {
  const auto it = ranges_.upper_bound(range.last);
  return it != ranges_.begin() && std::prev(it)->second >= range.first;
}

std::optional<SequenceRange> RangeSet::NextAbsent(Sequence from, Sequence last) const {
  auto it = ranges_.upper_bound(from);
  if (it != ranges_.begin() && std::prev(it)->second >= from) from = std::prev(it)->second + 1;
  if (from > last) return std::nullopt;
  if (it != ranges_.end()) last = std::min(last, it->first - 1);
  return SequenceRange{from, last};
}

std::vector<SequenceRange> RangeSet::Within(SequenceRange range) const {
  std::vector<SequenceRange> parts;
  auto it = ranges_.upper_bound(range.first);
  if (it != ranges_.begin() && std::prev(it)->second >= range.first) --it;
  for (; it != ranges_.end() && it->first <= range.last; ++it) {
    parts.push_back({std::max(it->first, range.first), std::min(it->second, range.last)});
  }
  return parts;
}

std::vector<SequenceRange> RangeSet::AbsentWithin(SequenceRange range) const {
  std::vector<SequenceRange> parts;
  auto next = NextAbsent(range.first, range.last);
  while (next) {
    parts.push_back(*next);
    if (next->last == range.last) break;
    next = NextAbsent(next->last + 1, range.last);
  }
  return parts;
}

std::vector<SequenceRange> RangeSet::ToVector() const {
  std::vector<SequenceRange> all;
  all.reserve(ranges_.size());
  for (const auto& [first, last] : ranges_) all.push_back({first, last});
  return all;
}

}  // namespace doagent::spool
