#include "uploader/in_flight.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>
#include <vector>

namespace doagent::uploader {
namespace {

using spool::RangeSet;

SpoolId Id(char c) {
  return *SpoolId::FromBytes(std::string(16, c));
}

SentBatch Batch(const SpoolId& spool_id, const std::vector<spool::SequenceRange>& ranges,
                std::size_t bytes) {
  SentBatch batch;
  batch.spool_id = spool_id;
  batch.sequences = RangeSet(ranges);
  batch.bytes = bytes;
  return batch;
}

TEST(InFlight, FreesTheWindowWhenTheLastRecordIsSettled) {
  InFlight in_flight;
  in_flight.Add(Batch(Id('a'), {{1, 10}}, 1000));
  in_flight.Add(Batch(Id('a'), {{11, 20}}, 500));
  EXPECT_EQ(in_flight.bytes(), 1500U);

  auto settled = in_flight.Take(Id('a'), RangeSet({{8, 12}}));
  ASSERT_EQ(settled.size(), 2U);
  EXPECT_EQ(settled[0].sequences, RangeSet({{8, 10}}));
  EXPECT_FALSE(settled[0].whole);
  EXPECT_EQ(settled[1].sequences, RangeSet({{11, 12}}));
  EXPECT_EQ(in_flight.bytes(), 1500U);

  settled = in_flight.Take(Id('a'), RangeSet({{1, 10}}));
  ASSERT_EQ(settled.size(), 1U);
  EXPECT_EQ(settled[0].sequences, RangeSet({{1, 7}}));
  EXPECT_TRUE(settled[0].whole);
  EXPECT_EQ(in_flight.bytes(), 500U);
}

TEST(InFlight, IsNotConfusedByHoles) {
  InFlight in_flight;
  in_flight.Add(Batch(Id('a'), {{1, 3}, {7, 7}, {9, 12}}, 100));
  // Acknowledged as exactly those records, without the numbers in between.
  const auto settled = in_flight.Take(Id('a'), RangeSet({{1, 3}, {7, 7}, {9, 12}}));
  ASSERT_EQ(settled.size(), 1U);
  EXPECT_TRUE(settled[0].whole);
  EXPECT_TRUE(in_flight.empty());

  in_flight.Add(Batch(Id('a'), {{1, 3}, {7, 7}, {9, 12}}, 100));
  // And as a range across them.
  EXPECT_EQ(in_flight.Take(Id('a'), RangeSet({{1, 12}}))[0].sequences.count(), 8U);
  EXPECT_TRUE(in_flight.empty());
}

TEST(InFlight, PassesOverWhatIsNotInFlight) {
  InFlight in_flight;
  in_flight.Add(Batch(Id('a'), {{5, 6}}, 100));
  EXPECT_TRUE(in_flight.Take(Id('b'), RangeSet({{1, 100}})).empty());
  EXPECT_TRUE(in_flight.Take(Id('a'), RangeSet({{1, 4}, {7, 100}})).empty());
  EXPECT_TRUE(in_flight.Take(Id('a'), RangeSet()).empty());
  EXPECT_EQ(in_flight.bytes(), 100U);
}

RC_GTEST_PROP(InFlight, SettlesEachRecordOnceAndFreesEverything, ()) {
  InFlight in_flight;
  std::map<Sequence, int> batch_of;
  const int batches = *rc::gen::inRange(1, 6);
  Sequence next = 1;
  for (int i = 0; i < batches; ++i) {
    SentBatch batch = Batch(Id('a'), {}, 10);
    const int records = *rc::gen::inRange(1, 8);
    for (int j = 0; j < records; ++j) {
      next += static_cast<Sequence>(*rc::gen::inRange(1, 4));
      batch.sequences.Add({next, next});
      batch_of[next] = i;
    }
    in_flight.Add(batch);
  }
  std::set<Sequence> open;
  for (const auto& [sequence, batch] : batch_of) open.insert(sequence);
  for (int answers = *rc::gen::inRange(0, 20); !open.empty(); --answers) {
    // In the end the rest is settled at once.
    const auto first =
        answers > 0 ? static_cast<Sequence>(*rc::gen::inRange(1, static_cast<int>(next) + 1)) : 1;
    const auto last = answers > 0 ? first + static_cast<Sequence>(*rc::gen::inRange(0, 10)) : next;
    std::set<Sequence> taken;
    for (const auto& settled : in_flight.Take(Id('a'), RangeSet({{first, last}}))) {
      for (const auto& range : settled.sequences.ToVector()) {
        for (auto s = range.first; s <= range.last; ++s) RC_ASSERT(taken.insert(s).second);
      }
    }
    std::set<Sequence> expected;
    for (const auto s : open) {
      if (s >= first && s <= last) expected.insert(s);
    }
    RC_ASSERT(taken == expected);
    for (const auto s : taken) open.erase(s);
    std::set<int> left;
    for (const auto s : open) left.insert(batch_of[s]);
    RC_ASSERT(in_flight.size() == left.size());
    RC_ASSERT(in_flight.bytes() == left.size() * 10);
  }
}

}  // namespace
}  // namespace doagent::uploader
