// The uploader at work with a receiver that does what it should.

#include "uploader/uploader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/support/upload_world.h"

namespace doagent::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using uploader::State;

TEST(Uploader, DeliversABacklogOnceAndInOrder) {
  UploadWorld world;
  world.Append(300);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));

  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.receiver.record_count(), 301U);  // the start event, too
  EXPECT_EQ(world.receiver.records_stored_before, 0U);
  EXPECT_TRUE(
      std::is_sorted(world.receiver.stored_order.begin(), world.receiver.stored_order.end()));
  EXPECT_EQ(world.status().counters.records_acknowledged, 301U);
  EXPECT_EQ(world.status().counters.records_sent, 301U);
  EXPECT_EQ(world.status().state, State::kStreaming);
  EXPECT_EQ(world.status().attempts, 0U);
  EXPECT_EQ(world.status().attempts_total, 1U);
  EXPECT_THAT(world.Notices(), HasSubstr("connected to receiver fake"));
}

TEST(Uploader, WorksInTheLoopThatItsHeaderShows) {
  UploadWorld world;
  world.Append(10);
  world.spool->OnAppend([&world] { world.transport.Wake(); });
  int appends = 0;
  for (int i = 0; i < 1'000 && world.receiver.record_count() < 16; ++i) {
    auto event = world.transport.Wait(world.uploader->NextDeadline());
    world.uploader->Step(world.clock, WallTime(world.clock.time_since_epoch()), std::move(event));
    if (world.status().drained && appends++ < 5) world.Append();
  }
  EXPECT_EQ(world.receiver.record_count(), 16U);
  EXPECT_LT(world.clock - MonoTime(hours(1)), seconds(10));
}

TEST(Uploader, SendsEachObjectOnce) {
  UploadWorld world;
  world.Append(40);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.Run(seconds(40), seconds(1));
  EXPECT_EQ(world.receiver.objects_received, world.receiver.storage.objects.size());
  EXPECT_EQ(world.receiver.objects_received, 20 + 3U);  // key_interval 4; schemas and layout
}

TEST(Uploader, SendsANewRecordAtOnce) {
  UploadWorld world;
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.Run(seconds(5));
  const auto appended_at = world.clock;
  const auto sequence = world.Append();
  EXPECT_EQ(world.transport.sends.back(), appended_at);
  ASSERT_TRUE(world.RunUntilDrained(seconds(1)));
  EXPECT_TRUE(world.receiver.Has(world.spool->spool_id(), sequence));
}

TEST(Uploader, SleepsWhileThereIsNothingToDo) {
  UploadWorld world;
  world.Append(10);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  const auto steps = world.steps;
  world.Run(hours(24));
  // Six times an hour it looks for older spool ids.
  EXPECT_LE(world.steps - steps, 24U * 6 + 10);
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(Uploader, TakesAStepForTheRecordAndOneForItsAnswer) {
  UploadWorld world;
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  const auto steps = world.steps;
  world.Run(minutes(10), seconds(10));
  EXPECT_LE(world.steps - steps, 2U * 60 + 5);
  EXPECT_EQ(world.transport.attempts.size(), 1U);
}

TEST(Uploader, KeepsToTheReceiversWindowAndBatchLimit) {
  UploadWorld world;
  world.receiver.window_bytes = 20'000;
  world.receiver.batch_bytes_max = 6'000;
  world.transport.window_bytes_max = 20'000;
  world.Append(600);
  ASSERT_TRUE(world.RunUntilDrained(hours(1)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_LE(world.transport.batch_bytes_seen_max, 6'000U);
  EXPECT_GT(world.transport.in_flight_bytes_seen_max, 12'000U);  // several at a time
}

TEST(Uploader, KeepsToItsOwnWindowAndBatchLimit) {
  UploadWorld::Options options;
  options.uploader.window_bytes = 12'000;
  options.uploader.batch_bytes_max = 5'000;
  UploadWorld world(options);
  world.receiver.window_bytes = std::uint64_t{1} << 40;
  world.receiver.batch_bytes_max = std::uint64_t{1} << 40;
  world.transport.window_bytes_max = 12'000;
  world.Append(400);
  ASSERT_TRUE(world.RunUntilDrained(hours(1)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_LE(world.transport.batch_bytes_seen_max, 5'000U);
}

TEST(Uploader, WaitsWhenNotEvenOneRecordFitsIntoTheRestOfTheWindow) {
  for (std::uint64_t window = 500; window < 2'000; window += 100) {
    UploadWorld world;
    world.receiver.window_bytes = window;
    world.transport.window_bytes_max = window;
    world.Append(40);
    ASSERT_TRUE(world.RunUntilDrained(hours(1)));
    EXPECT_THAT(world.Check(), IsEmpty()) << window;
  }
}

TEST(Uploader, SendsARecordThatIsLargerThanTheWindowAlone) {
  UploadWorld world;
  world.receiver.window_bytes = 10;
  world.transport.window_bytes_max = 10;
  world.Append(20);
  ASSERT_TRUE(world.RunUntilDrained(hours(1)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.receiver.batches, 21U);
}

TEST(Uploader, GoesOnAfterARestartWhereItWas) {
  UploadWorld world;
  world.Append(50);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.Restart();
  world.Append(5);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.receiver.records_stored_before, 0U);
}

TEST(Uploader, LearnsFromTheWelcomeWhatItForgotInACrash) {
  UploadWorld world;
  world.Append(50);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.Restart(/*clean=*/false);  // the acknowledgements were not written yet
  world.Append(5);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.receiver.records_stored_before, 0U);
}

TEST(Uploader, HandlesAcksInPiecesAndOutOfOrder) {
  UploadWorld world;
  world.receiver.acks_per_batch = 7;
  world.transport.shuffle_answers = true;
  world.Append(300);
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.receiver.records_stored_before, 0U);
  EXPECT_EQ(world.status().counters.records_acknowledged, 301U);
}

TEST(Uploader, PassesOverAcksThatItDoesNotUnderstand) {
  UploadWorld world;
  world.Append(5);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  const auto stranger = *SpoolId::FromHex("00112233445566778899aabbccddeeff");
  world.transport.Say(uploader::Ack{stranger, spool::RangeSet({{1, 1000}})});
  world.transport.Say(uploader::Ack{world.spool->spool_id(), spool::RangeSet({{1, 1'000'000}})});
  world.transport.Say(uploader::Ack{world.spool->spool_id(), spool::RangeSet()});
  world.Run(seconds(1));
  world.Append(20);  // their numbers were acknowledged before they were there
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.receiver.record_count(), 26U);
}

TEST(Uploader, AdaptsItsBatchesToASlowLink) {
  UploadWorld world;
  world.transport.bytes_per_second = 4'000;  // 32 kbit/s
  world.Append(3'000);
  ASSERT_TRUE(world.RunUntilDrained(hours(2)));
  EXPECT_THAT(world.Check(), IsEmpty());
  // The link was never taken for dead, and nothing was sent twice.
  EXPECT_EQ(world.transport.attempts.size(), 1U);
  EXPECT_EQ(world.receiver.records_stored_before, 0U);
  EXPECT_LT(world.transport.in_flight_bytes_seen_max, 300'000U);
}

TEST(Uploader, FindsASizeThatGetsThroughEvenWhenSessionsDieOfTheFirstOnes) {
  UploadWorld world;
  world.transport.bytes_per_second = 500;
  world.Append(400);
  ASSERT_TRUE(world.RunUntilDrained(hours(2)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_LT(world.transport.attempts.size(), 8U);
}

TEST(Uploader, PausesAsTheReceiverAsks) {
  UploadWorld world;
  world.Append(5);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  const auto asked_at = world.clock;
  world.transport.Say(uploader::Control{milliseconds(30'000), minutes(20)});
  world.Run(seconds(1));
  EXPECT_EQ(world.status().state, State::kServerPause);
  EXPECT_EQ(world.status().interval_wanted, seconds(30));
  world.Append(3);
  ASSERT_TRUE(world.RunUntilDrained(hours(2)));
  EXPECT_GE(world.transport.sends.back(), asked_at + minutes(20));
  EXPECT_LE(world.transport.sends.back(), asked_at + minutes(21));
  EXPECT_EQ(world.status().state, State::kStreaming);
  EXPECT_THAT(world.Notices(), HasSubstr("pause of 1200 s"));
}

TEST(Uploader, DoesNotBelieveInAnEndlessPause) {
  UploadWorld world;
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.Say(uploader::Control{milliseconds(0), hours(1'000'000)});
  world.Run(seconds(1));
  world.Append();
  EXPECT_TRUE(world.RunUntilDrained(minutes(61)));
}

TEST(Uploader, TellsTheIntervalThatTheReceiverWants) {
  UploadWorld world;
  world.receiver.interval = seconds(15);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  EXPECT_EQ(world.status().interval_wanted, seconds(15));
}

}  // namespace
}  // namespace doagent::test
