// The uploader when the network, the receiver or the token fails.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "tests/support/upload_world.h"

namespace doagent::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using uploader::Closed;
using uploader::CloseReason;
using uploader::State;

std::vector<Nanoseconds> GapsBetween(const std::vector<MonoTime>& times) {
  std::vector<Nanoseconds> gaps;
  for (std::size_t i = 1; i < times.size(); ++i) gaps.push_back(times[i] - times[i - 1]);
  return gaps;
}

int CountNotices(const UploadWorld& world, const std::string& text) {
  return static_cast<int>(std::count_if(
      world.notices.begin(), world.notices.end(),
      [&](const auto& notice) { return notice.text.find(text) != std::string::npos; }));
}

TEST(Outage, OfThreeDaysCostsNothingButDelay) {
  UploadWorld world;
  world.Append(3);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.reachable = false;
  world.transport.Cut({CloseReason::kUnreachable, "connection reset", {}});
  world.Run(hours(72), minutes(30));
  EXPECT_EQ(world.status().state, State::kBackoff);
  EXPECT_THAT(world.status().last_error, HasSubstr("connection refused"));
  ASSERT_TRUE(world.status().disconnected_since.has_value());

  world.transport.reachable = true;
  // At most one backoff later everything is there.
  ASSERT_TRUE(world.RunUntilDrained(minutes(5) + seconds(10)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.receiver.record_count(), 4U + 144);
  EXPECT_FALSE(world.status().disconnected_since.has_value());
  EXPECT_EQ(world.status().attempts, 0U);
  // Logged once, however often it was tried.
  EXPECT_EQ(CountNotices(world, "no connection to the receiver"), 1);
  EXPECT_EQ(CountNotices(world, "connected to receiver"), 2);
}

TEST(Outage, AttemptsNeverEndAndNeverCrowd) {
  UploadWorld world;
  world.transport.reachable = false;
  world.Run(hours(72));
  const auto gaps = GapsBetween(world.transport.attempts);
  // Three days at a mean of two and a half minutes.
  EXPECT_GT(gaps.size(), 72U * 60 / 5);
  EXPECT_LT(gaps.size(), 72U * 60);
  EXPECT_LE(*std::max_element(gaps.begin(), gaps.end()), minutes(5) + seconds(1));
  EXPECT_GE(*std::min_element(gaps.begin(), gaps.end()), milliseconds(100));
  // The first ones are quick: spans of 1, 2, 4 and 8 s.
  EXPECT_LE(world.transport.attempts[4] - world.transport.attempts[0], seconds(16));
  EXPECT_LE(world.steps, 2 * world.transport.attempts.size() + 5);
  EXPECT_EQ(world.status().attempts, world.transport.attempts.size());
}

TEST(Outage, BackoffIsShortAgainAfterAnAcknowledgement) {
  UploadWorld world;
  world.transport.reachable = false;
  world.Run(hours(5));
  world.transport.reachable = true;
  ASSERT_TRUE(world.RunUntilDrained(minutes(6)));
  const auto cut_at = world.clock;
  world.transport.Cut({CloseReason::kUnreachable, "restart", {}});
  ASSERT_TRUE(world.RunUntil([&] { return world.transport.attempts.back() > cut_at; }, hours(1)));
  EXPECT_LE(world.transport.attempts.back() - cut_at, seconds(2));
}

TEST(Outage, BackoffStaysLongWhileSessionsComeToNothing) {
  UploadWorld world;
  world.Append(5);
  world.transport.bytes_per_second = 0.001;
  world.Run(hours(12));
  const auto gaps = GapsBetween(world.transport.attempts);
  EXPECT_LT(gaps.size(), 12U * 60);
  EXPECT_GT(*std::max_element(gaps.begin(), gaps.end()), minutes(2));
}

TEST(Outage, AHalfOpenConnectionIsNoticedWithinThirtySeconds) {
  UploadWorld world;
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.Run(seconds(7));
  world.transport.stalled = true;
  world.Append();
  const auto since = world.clock;
  ASSERT_TRUE(world.RunUntil([&] { return world.status().state == State::kBackoff; }, minutes(5)));
  EXPECT_EQ(world.clock - since, seconds(30));
  EXPECT_THAT(world.status().last_error, HasSubstr("no answer within 30 s"));
  world.transport.stalled = false;
  ASSERT_TRUE(world.RunUntilDrained(minutes(2)));
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(Outage, AnIdleConnectionIsLeftAlone) {
  UploadWorld world;
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.Run(minutes(9));
  EXPECT_EQ(world.transport.attempts.size(), 1U);
}

TEST(Outage, HeartbeatsKeepASlowReceiverFromBeingTakenForDead) {
  UploadWorld world;
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.latency = minutes(1);  // its answer takes two minutes
  for (int i = 1; i < 15; ++i) {
    world.After(seconds(10 * i), [&] { world.transport.Say(uploader::Heartbeat()); });
  }
  world.Append();
  ASSERT_TRUE(world.RunUntilDrained(minutes(3)));
  EXPECT_EQ(world.transport.attempts.size(), 1U);
}

TEST(Outage, AForgottenBatchIsAskedForDespiteHeartbeats) {
  UploadWorld world;
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.lose_answers = 1;
  const auto lost = world.Append();
  // Everything else is answered, every ten seconds.
  world.Run(minutes(6), seconds(10));
  EXPECT_EQ(world.transport.attempts.size(), 2U);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  EXPECT_TRUE(world.receiver.Has(world.spool->spool_id(), lost));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.receiver.records_stored_before, 0U);  // the Welcome said that it is there
}

TEST(Outage, AWelcomeThatDoesNotComeIsNotWaitedFor) {
  UploadWorld world;
  world.transport.stalled = true;
  world.Run(seconds(29));
  EXPECT_EQ(world.status().state, State::kConnecting);
  ASSERT_TRUE(world.RunUntil([&] { return world.status().state == State::kBackoff; }, seconds(2)));
  EXPECT_THAT(world.status().last_error, HasSubstr("no Welcome within 30 s"));
  world.transport.stalled = false;
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
}

TEST(Outage, AReceiverThatIsBusyWithTheHelloIsWaitedFor) {
  UploadWorld world;
  world.transport.latency = minutes(1);  // the Welcome takes two minutes
  for (int i = 1; i < 35; ++i) {
    world.After(seconds(10 * i), [&] { world.transport.Say(uploader::Heartbeat()); });
  }
  world.Append();
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  EXPECT_EQ(world.transport.attempts.size(), 1U);
}

TEST(Outage, AReceiverThatIsBusyForEverIsNot) {
  UploadWorld world;
  world.transport.latency = minutes(30);
  for (int i = 1; i < 100; ++i) {
    world.After(seconds(10 * i), [&] { world.transport.Say(uploader::Heartbeat()); });
  }
  ASSERT_TRUE(world.RunUntil([&] { return world.status().state == State::kBackoff; }, minutes(6)));
}

TEST(Outage, ARefusedTokenPausesAndKeepsEverything) {
  UploadWorld world;
  world.Append(10);
  world.transport.refuse_with =
      Closed{CloseReason::kUnauthenticated, "token of host-1 expired", {}};
  world.Run(hours(24), minutes(30));
  EXPECT_EQ(world.status().state, State::kPaused);
  EXPECT_THAT(world.status().last_error, HasSubstr("token of host-1 expired"));
  const auto gaps = GapsBetween(world.transport.attempts);
  EXPECT_GE(*std::min_element(gaps.begin(), gaps.end()), minutes(1));
  EXPECT_LE(*std::max_element(gaps.begin(), gaps.end()), minutes(5) + seconds(1));
  EXPECT_EQ(CountNotices(world, "does not let us in"), 1);
  EXPECT_THAT(world.Parked(), IsEmpty());

  world.transport.refuse_with.reset();
  ASSERT_TRUE(world.RunUntilDrained(minutes(6)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.receiver.record_count(), 11U + 48);
}

TEST(Outage, AnotherKindOfFailureIsSaidAgain) {
  UploadWorld world;
  world.transport.reachable = false;
  world.Run(hours(1));
  world.transport.refuse_with = Closed{CloseReason::kUnauthenticated, "no", {}};
  world.Run(hours(1));
  world.transport.refuse_with.reset();
  world.Run(hours(1));
  EXPECT_EQ(CountNotices(world, "no connection to the receiver"), 2);
  EXPECT_EQ(CountNotices(world, "does not let us in"), 1);
}

TEST(Outage, TheServersRetryAfterIsHonouredAndSpread) {
  UploadWorld world;
  world.transport.refuse_with = Closed{CloseReason::kOverloaded, "busy", minutes(10)};
  world.Run(hours(24));
  const auto gaps = GapsBetween(world.transport.attempts);
  ASSERT_GT(gaps.size(), 50U);
  EXPECT_GE(*std::min_element(gaps.begin(), gaps.end()), minutes(10));
  EXPECT_LE(*std::max_element(gaps.begin(), gaps.end()), minutes(15) + seconds(1));
  EXPECT_GT(
      *std::max_element(gaps.begin(), gaps.end()) - *std::min_element(gaps.begin(), gaps.end()),
      minutes(2));
}

TEST(Outage, AnEndlessRetryAfterIsCapped) {
  UploadWorld world;
  world.transport.refuse_with = Closed{CloseReason::kOverloaded, "busy", hours(1'000'000)};
  world.Run(minutes(1));
  world.transport.refuse_with.reset();
  EXPECT_TRUE(world.RunUntilDrained(minutes(66)));
}

TEST(Outage, LostAnswersCauseNoDuplicates) {
  UploadWorld world;
  world.Append(200);
  world.transport.lose_answers = 2;
  ASSERT_TRUE(world.RunUntilDrained(hours(1)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.receiver.record_count(), 201U);
  EXPECT_GT(world.transport.attempts.size(), 1U);
}

TEST(Outage, CutsAtAnyMomentLoseAndRepeatNothing) {
  for (int cut_after_ms = 0; cut_after_ms <= 200; cut_after_ms += 5) {
    UploadWorld::Options options;
    options.uploader.batch_bytes_max = 2'000;
    options.uploader.window_bytes = 6'000;
    UploadWorld world(options);
    world.Append(40);
    world.After(milliseconds(cut_after_ms), [&] {
      world.transport.Cut({CloseReason::kUnreachable, "cut", {}});
    });
    ASSERT_TRUE(world.RunUntilDrained(hours(1))) << cut_after_ms;
    EXPECT_THAT(world.Check(), IsEmpty()) << cut_after_ms;
    EXPECT_EQ(world.receiver.record_count(), 41U) << cut_after_ms;
  }
}

TEST(Outage, AProtocolErrorIsNotAnsweredByHammering) {
  UploadWorld world;
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.Say(uploader::Welcome());
  world.Run(milliseconds(1));
  EXPECT_EQ(world.status().state, State::kBackoff);
  EXPECT_THAT(world.status().last_error, HasSubstr("a second Welcome"));
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
}

TEST(Outage, AReceiverRestoredFromABackupGetsTheRestAgain) {
  UploadWorld world;
  world.Append(50);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  const auto backup = world.receiver.storage;
  world.Append(50);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));

  world.receiver.storage = backup;
  world.transport.Cut({CloseReason::kUnreachable, "restart", {}});
  world.Run(milliseconds(1));
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.receiver.record_count(), 101U);
  EXPECT_THAT(world.Notices(), HasSubstr("no longer has 50 records"));
}

TEST(Outage, ARestoredReceiverIsNoticedAfterARestartOfTheAgentToo) {
  UploadWorld world;
  world.Append(50);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.Restart();
  world.receiver.storage = {};
  world.Append(5);
  // By its first session: there may be no second one for long.
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(Outage, AnotherReceiverStartsFromNothingOfItsOwn) {
  UploadWorld world;
  world.Append(20);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.receiver.Become(99);
  world.transport.Cut({CloseReason::kUnreachable, "moved", {}});
  world.Run(milliseconds(1));
  world.Append(7);
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  EXPECT_EQ(world.receiver.record_count(), 7U);
}

}  // namespace
}  // namespace doagent::test
