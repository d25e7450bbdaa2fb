// Sets of sequence numbers as ascending, disjoint ranges that do not touch.
//
// What was delivered, stored, parked or is in flight is such a set: with neighbours merged it stays
// a handful of ranges however long the history is. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "spool/ids.h"

namespace doagent::spool {

// Both ends included; REQUIRES first <= last.
struct SequenceRange {
  Sequence first = 0;
  Sequence last = 0;

  std::uint64_t count() const { return last - first + 1; }
  friend bool operator==(const SequenceRange&, const SequenceRange&) = default;
};

class RangeSet {
 public:
  RangeSet() = default;
  explicit RangeSet(const std::vector<SequenceRange>& ranges);

  void Add(SequenceRange range);
  void Add(const RangeSet& other);
  void Remove(SequenceRange range);
  void Clear() { ranges_.clear(); }

  bool empty() const { return ranges_.empty(); }
  std::size_t range_count() const { return ranges_.size(); }
  // How many sequence numbers the set holds.
  std::uint64_t count() const;
  bool Contains(Sequence sequence) const;
  bool Contains(SequenceRange range) const;
  bool Intersects(SequenceRange range) const;

  // The first maximal range of numbers >= from and <= last that are not in the set.
  std::optional<SequenceRange> NextAbsent(Sequence from, Sequence last) const;
  // The parts of the range that are in the set, and those that are not; ascending.
  std::vector<SequenceRange> Within(SequenceRange range) const;
  std::vector<SequenceRange> AbsentWithin(SequenceRange range) const;

  // REQUIRES !empty().
  Sequence first() const { return ranges_.begin()->first; }
  Sequence last() const { return ranges_.rbegin()->second; }

  std::vector<SequenceRange> ToVector() const;

  friend bool operator==(const RangeSet&, const RangeSet&) = default;

 private:
  std::map<Sequence, Sequence> ranges_;  // first -> last
};

}  // namespace doagent::spool
