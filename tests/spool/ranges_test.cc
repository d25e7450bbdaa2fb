// Range sets against the plainest model there is: a std::set of numbers.

#include "spool/ranges.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace doagent::spool {
namespace {

constexpr Sequence kLast = 60;

SequenceRange AnyRange() {
  const Sequence first = *rc::gen::inRange<Sequence>(1, kLast + 1);
  return {first, *rc::gen::inRange<Sequence>(first, kLast + 1)};
}

std::set<Sequence> Numbers(const std::vector<SequenceRange>& ranges) {
  std::set<Sequence> numbers;
  for (const auto& range : ranges) {
    for (Sequence s = range.first; s <= range.last; ++s) numbers.insert(s);
  }
  return numbers;
}

RC_GTEST_PROP(RangeSetTest, BehavesAsASetOfNumbers, ()) {
  RangeSet set;
  std::set<Sequence> model;
  const int steps = *rc::gen::inRange(1, 30);
  for (int step = 0; step < steps; ++step) {
    const SequenceRange range = AnyRange();
    const bool add = *rc::gen::arbitrary<bool>();
    if (add) {
      set.Add(range);
    } else {
      set.Remove(range);
    }
    for (Sequence s = range.first; s <= range.last; ++s) {
      if (add) {
        model.insert(s);
      } else {
        model.erase(s);
      }
    }
  }
  const auto ranges = set.ToVector();
  RC_ASSERT(Numbers(ranges) == model);
  RC_ASSERT(set.count() == model.size());
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    RC_ASSERT(ranges[i].first > ranges[i - 1].last + 1);  // disjoint, and no neighbours
  }

  const SequenceRange probe = AnyRange();
  std::set<Sequence> inside;
  std::set<Sequence> outside;
  for (Sequence s = probe.first; s <= probe.last; ++s) {
    (model.count(s) != 0 ? inside : outside).insert(s);
  }
  RC_ASSERT(Numbers(set.Within(probe)) == inside);
  RC_ASSERT(Numbers(set.AbsentWithin(probe)) == outside);
  RC_ASSERT(set.Contains(probe) == outside.empty());
  RC_ASSERT(set.Intersects(probe) == !inside.empty());
  const auto next = set.NextAbsent(probe.first, probe.last);
  RC_ASSERT(next.has_value() == !outside.empty());
  if (next) {
    RC_ASSERT(next->first == *outside.begin());
    RC_ASSERT(model.count(next->first) == 0U && model.count(next->last) == 0U);
  }
}

TEST(RangeSetTest, NeighboursMerge) {
  RangeSet set({{1, 2}, {4, 5}});
  set.Add({3, 3});
  EXPECT_EQ(set.ToVector(), (std::vector<SequenceRange>{{1, 5}}));
}

TEST(RangeSetTest, RemovingTheMiddleSplits) {
  RangeSet set({{1, 9}});
  set.Remove({4, 5});
  EXPECT_EQ(set.ToVector(), (std::vector<SequenceRange>{{1, 3}, {6, 9}}));
}

}  // namespace
}  // namespace doagent::spool
