#include "uploader/retry_queue.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace doagent::uploader {
namespace {

using spool::RangeSet;
using std::chrono::seconds;

const MonoTime kNow = MonoTime(std::chrono::hours(1));

RetryItem Item(Sequence first, Sequence last, MonoTime not_before = kNow) {
  RetryItem item;
  item.spool_id = *SpoolId::FromBytes(std::string(16, 'a'));
  item.sequences = RangeSet({{first, last}});
  item.not_before = not_before;
  return item;
}

TEST(RetryQueue, GivesWhatIsDueAndLetsTheRestWait) {
  RetryQueue queue;
  queue.PushLater(Item(1, 5, kNow + seconds(10)));
  queue.PushLater(Item(6, 9));
  EXPECT_EQ(queue.NextTime(kNow), kNow + seconds(10));
  EXPECT_EQ(queue.TakeDue(kNow)->sequences.first(), 6U);
  EXPECT_FALSE(queue.TakeDue(kNow));
  EXPECT_EQ(queue.TakeDue(kNow + seconds(10))->sequences.first(), 1U);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.NextTime(kNow), MonoTime::max());
}

TEST(RetryQueue, WorksInDepth) {
  RetryQueue queue;
  queue.PushLater(Item(10, 20));
  queue.PushNext(Item(5, 9));
  queue.PushNext(Item(1, 4));
  EXPECT_EQ(queue.TakeDue(kNow)->sequences.first(), 1U);
  EXPECT_EQ(queue.TakeDue(kNow)->sequences.first(), 5U);
  EXPECT_EQ(queue.TakeDue(kNow)->sequences.first(), 10U);
}

TEST(RetryQueue, ForgetsWhatTurnedOutToBeStored) {
  RetryQueue queue;
  queue.PushLater(Item(1, 5));
  queue.PushLater(Item(6, 9));
  queue.Remove(Item(0, 0).spool_id, RangeSet({{1, 7}}));
  EXPECT_EQ(queue.size(), 1U);
  RangeSet left;
  queue.AddTo(Item(0, 0).spool_id, left);
  EXPECT_EQ(left, RangeSet({{8, 9}}));
}

}  // namespace
}  // namespace doagent::uploader
