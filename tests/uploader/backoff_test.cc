#include "uploader/backoff.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <vector>

namespace doagent::uploader {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Backoff, SpansDoubleUpToTheCap) {
  Backoff backoff(seconds(1), minutes(5), [] { return 1.0; });
  std::vector<std::int64_t> ends;
  for (int i = 0; i < 11; ++i) {
    ends.push_back(std::chrono::duration_cast<seconds>(backoff.Next()).count());
  }
  EXPECT_EQ(ends, (std::vector<std::int64_t>{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}));
}

TEST(Backoff, SpansBeginAboveZero) {
  Backoff backoff(seconds(1), minutes(5), [] { return 0.0; });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(backoff.Next(), milliseconds(100));
}

TEST(Backoff, JittersAtTheCapAsWell) {
  std::mt19937_64 engine(7);
  Backoff backoff(seconds(1), minutes(5),
                  [&] { return std::uniform_real_distribution<double>(0, 1)(engine); });
  for (int i = 0; i < 20; ++i) (void)backoff.Next();
  // Sixty hosts that were cut off for hours: spread over the five minutes, not at their end.
  std::set<std::int64_t> bins;
  for (int i = 0; i < 60; ++i) {
    const auto delay = backoff.Next();
    EXPECT_LE(delay, minutes(5));
    bins.insert(std::chrono::duration_cast<seconds>(delay).count() / 30);
  }
  EXPECT_EQ(bins.size(), 10U);
}

TEST(Backoff, ResetMakesItShortAgain) {
  Backoff backoff(seconds(1), minutes(5), [] { return 1.0; });
  for (int i = 0; i < 10; ++i) (void)backoff.Next();
  backoff.Reset();
  EXPECT_EQ(backoff.Next(), seconds(1));
}

TEST(Backoff, SurvivesABadSourceOfRandomness) {
  for (const double draw : {-5.0, 7.0, 1e300}) {
    Backoff backoff(seconds(1), minutes(5), [draw] { return draw; });
    for (int i = 0; i < 20; ++i) {
      const auto delay = backoff.Next();
      EXPECT_GE(delay, milliseconds(100));
      EXPECT_LE(delay, minutes(5));
    }
  }
}

RC_GTEST_PROP(Backoff, StaysWithinItsBounds, ()) {
  const auto min = milliseconds(*rc::gen::inRange(1, 10'000));
  const auto max = min + milliseconds(*rc::gen::inRange(0, 1'000'000));
  const auto draws = *rc::gen::container<std::vector<int>>(50, rc::gen::inRange(0, 1000));
  std::size_t next = 0;
  Backoff backoff(min, max, [&] { return draws[next++ % draws.size()] / 1000.0; });
  for (int i = 0; i < 50; ++i) {
    const Nanoseconds delay = backoff.Next();
    RC_ASSERT(delay > Nanoseconds(0));
    RC_ASSERT(delay <= Nanoseconds(max));
  }
}

}  // namespace
}  // namespace doagent::uploader
