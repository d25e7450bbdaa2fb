#include "uploader/batch_size.h"

#include <gtest/gtest.h>

#include <chrono>

namespace doagent::uploader {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMax = std::size_t{1} << 20;

TEST(BatchSize, GrowsToTheMaximumWhileAnswersAreQuick) {
  BatchSize size(kMax);
  EXPECT_EQ(size.limit_bytes(), BatchSize::kInitialBytes);
  for (int i = 0; i < 4; ++i) size.OnSettled(size.limit_bytes(), milliseconds(30));
  EXPECT_EQ(size.limit_bytes(), kMax);
  size.OnSettled(kMax, milliseconds(30));
  EXPECT_EQ(size.limit_bytes(), kMax);
}

TEST(BatchSize, LearnsNothingFromSmallBatches) {
  BatchSize size(kMax);
  size.OnSettled(1'000, milliseconds(1));
  size.OnSettled(1'000, seconds(25));
  EXPECT_EQ(size.limit_bytes(), BatchSize::kInitialBytes);
}

TEST(BatchSize, HalvesOnceForAllThatWaitedInOneQueue) {
  BatchSize size(kMax);
  for (int i = 0; i < 4; ++i) size.OnSettled(size.limit_bytes(), milliseconds(30));
  for (int i = 0; i < 4; ++i) size.OnSettled(kMax, seconds(20));
  EXPECT_EQ(size.limit_bytes(), kMax / 2);
}

TEST(BatchSize, StaysInBetween) {
  BatchSize size(kMax);
  size.OnSettled(size.limit_bytes(), seconds(5));
  EXPECT_EQ(size.limit_bytes(), BatchSize::kInitialBytes);
}

TEST(BatchSize, ShrinksToItsMinimumWhenNothingIsAcknowledged) {
  BatchSize size(kMax);
  for (int i = 0; i < 50; ++i) size.OnNothingAcknowledged();
  EXPECT_EQ(size.limit_bytes(), BatchSize::kMinBytes);
}

TEST(BatchSize, NeverExceedsASmallMaximum) {
  BatchSize size(1'000);
  EXPECT_EQ(size.limit_bytes(), 1'000U);
  size.OnSettled(1'000, milliseconds(1));
  EXPECT_EQ(size.limit_bytes(), 1'000U);
  size.OnNothingAcknowledged();
  EXPECT_EQ(size.limit_bytes(), 1'000U);
}

}  // namespace
}  // namespace doagent::uploader
