// Batches that the receiver does not take.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "spool/request.h"
#include "tests/support/upload_world.h"

namespace doagent::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using uploader::CloseReason;

void MakePoisonous(UploadWorld& world, const std::set<Sequence>& sequences) {
  world.receiver.poisonous = [sequences](const SpoolId&, const spool::StoredRecord& record) {
    return sequences.contains(record.sequence);
  };
}

std::set<Sequence> ParkedSequences(UploadWorld& world) {
  std::set<Sequence> sequences;
  for (const auto& [spool_id, sequence] : world.Parked()) sequences.insert(sequence);
  return sequences;
}

TEST(Refusal, OnePoisonousRecordIsFoundAndSetAside) {
  UploadWorld world;
  world.Append(100);
  MakePoisonous(world, {57});
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_THAT(ParkedSequences(world), ElementsAre(57));
  EXPECT_EQ(world.receiver.record_count(), 101U);  // 100 of ours, and the event that tells
  EXPECT_EQ(world.status().counters.records_parked, 1U);
  EXPECT_LT(world.receiver.batches, 40U);  // found by halving, not one by one
  EXPECT_THAT(world.Notices(), HasSubstr("record 57 of spool"));
  EXPECT_THAT(world.Notices(), HasSubstr("refused by the receiver: poison"));
  EXPECT_EQ(world.transport.attempts.size(), 1U);
}

TEST(Refusal, SeveralPoisonousRecordsAreFoundAmongHoles) {
  UploadWorld world;
  world.Append(60);
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  // An outage, during which single records get through by another way: what is left has holes.
  world.transport.reachable = false;
  world.transport.Cut({CloseReason::kUnreachable, "cut", {}});
  world.Append(60);
  spool::RangeSet holes;
  for (Sequence sequence = 65; sequence < 115; sequence += 3) holes.Add({sequence, sequence});
  world.spool->Acknowledge(world.spool->spool_id(), ReceiverId(), holes);
  MakePoisonous(world, {62, 70, 72, 121});
  world.transport.reachable = true;
  ASSERT_TRUE(world.RunUntilDrained(minutes(10)));
  EXPECT_THAT(ParkedSequences(world), ElementsAre(62, 70, 72, 121)) << world.Notices();
  EXPECT_EQ(world.receiver.record_count(), 121U - holes.count() - 4 + 4);
  EXPECT_THAT(world.transport.violations, IsEmpty());
}

TEST(Refusal, AReceiverThatNamesTheRecordNeedsNoHalving) {
  UploadWorld world;
  world.Append(100);
  world.receiver.refuse_exactly = true;
  MakePoisonous(world, {3, 57, 58});
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_THAT(ParkedSequences(world), ElementsAre(3, 57, 58));
}

TEST(Refusal, ARecordThatWasPutBackIsOfferedAgain) {
  UploadWorld world;
  world.Append(10);
  MakePoisonous(world, {5});
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  world.receiver.poisonous = nullptr;
  ASSERT_TRUE(spool::RequestRetryParked(world.spool->path()).has_value());
  world.Append();  // carries the request out
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  EXPECT_TRUE(world.receiver.Has(world.spool->spool_id(), 5));
  EXPECT_THAT(world.Parked(), IsEmpty());
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.transport.attempts.size(), 1U);
}

TEST(Refusal, ARecordOfAnOlderNameThatWasPutBackIsOfferedAgain) {
  UploadWorld world;
  world.Append(10);
  MakePoisonous(world, {5});
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  const auto old_id = world.spool->spool_id();
  ASSERT_TRUE(world.spool->StartNewEpoch(world.spool->head() + 1, "test", WallTime(), world.clock)
                  .has_value());
  world.Append();
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  world.receiver.poisonous = nullptr;
  ASSERT_TRUE(spool::RequestRetryParked(world.spool->path()).has_value());
  world.Append();
  // Nothing of the older name was pending when the session began.
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  EXPECT_TRUE(world.receiver.Has(old_id, 5));
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(Refusal, AReceiverThatRefusesEverythingDoesNotEmptyTheSpool) {
  UploadWorld world;
  world.Append(100);
  world.receiver.poisonous = [](const SpoolId&, const spool::StoredRecord&) { return true; };
  world.Run(minutes(20));
  // A hundred a session, and sessions ever more rarely: not every record, not every event about
  // one.
  EXPECT_LE(world.status().counters.records_parked, 100U * world.transport.attempts.size());
  EXPECT_LT(world.transport.attempts.size(), 30U);
  // Said once: the receiver never did anything that would make it news again.
  EXPECT_EQ(world.notices.size(), 2U) << world.Notices();
  EXPECT_THAT(world.status().last_error, HasSubstr("refuses record after record"));

  world.receiver.poisonous = nullptr;
  ASSERT_TRUE(world.RunUntilDrained(minutes(10)));
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(Refusal, ManyPoisonousRecordsAmongGoodOnesEndNoSession) {
  UploadWorld::Options options;
  options.uploader.batch_bytes_max = 3'000;
  UploadWorld world(options);
  world.Append(400);
  world.receiver.poisonous = [](const SpoolId&, const spool::StoredRecord& record) {
    return record.kind == spool::RecordKind::kRow && record.sequence % 2 == 0;
  };
  ASSERT_TRUE(world.RunUntilDrained(minutes(10)));
  EXPECT_EQ(world.Parked().size(), 200U);
  EXPECT_EQ(world.transport.attempts.size(), 1U);
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(Refusal, ObjectsThatCameWithARefusedRecordGoAgainWithTheNext) {
  UploadWorld::Options options;
  options.key_interval = 1'000;
  UploadWorld world(options);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  MakePoisonous(world, {2});
  world.Append();  // the first of its key
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.Append(3);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  EXPECT_EQ(world.status().counters.records_refused, 1U);  // nobody missed an object
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(Refusal, WhatIsAcknowledgedWhileItWaitsIsNotSentAgain) {
  UploadWorld world;
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.receiver.refuse_for_now = milliseconds(minutes(30));
  const auto sequence = world.Append();
  world.Run(seconds(1));
  world.transport.Say(
      uploader::Ack{world.spool->spool_id(), spool::RangeSet({{sequence, sequence}})});
  EXPECT_TRUE(world.RunUntilDrained(seconds(1)));
}

TEST(Refusal, OneAnswerDoesNotSetAsideMoreThanAHundred) {
  UploadWorld world;
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.latency = seconds(20);
  world.Run(seconds(15), milliseconds(100));  // a hundred and fifty batches of one record
  uploader::Refused refused;
  refused.spool_id = world.spool->spool_id();
  refused.ranges = spool::RangeSet({{1, 1'000}});
  world.transport.Say(refused);
  world.Run(milliseconds(1));
  EXPECT_EQ(world.status().counters.records_parked, 100U);
}

TEST(Refusal, ForNowMeansAgainAfterTheTimeNamed) {
  UploadWorld world;
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.Run(seconds(1));
  world.receiver.refuse_for_now = milliseconds(minutes(3));
  const auto refused = world.Append();
  const auto refused_at = world.clock;
  world.Run(seconds(10));
  world.receiver.refuse_for_now.reset();
  // Others are not held up.
  const auto next = world.Append();
  world.Run(seconds(10));
  EXPECT_TRUE(world.receiver.Has(world.spool->spool_id(), next));
  EXPECT_FALSE(world.receiver.Has(world.spool->spool_id(), refused));
  ASSERT_TRUE(world.RunUntilDrained(minutes(10)));
  EXPECT_GE(world.transport.sends.back() - refused_at, minutes(3));
  EXPECT_LE(world.transport.sends.back() - refused_at, minutes(4));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_THAT(world.Parked(), IsEmpty());
}

TEST(Refusal, ForNowIsNotBelievedToMeanForEver) {
  UploadWorld::Options options;
  options.uploader.ask_delay = hours(24);  // one session
  UploadWorld world(options);
  world.receiver.refuse_for_now = milliseconds(hours(1'000'000));
  world.Append();
  world.Run(minutes(1));
  world.receiver.refuse_for_now.reset();
  EXPECT_TRUE(world.RunUntilDrained(minutes(67)));
}

TEST(Refusal, WhatDoesNotFitIntoSmallerBatchesGoesInSeveral) {
  UploadWorld::Options options;
  options.uploader.ask_delay = hours(24);  // one session
  UploadWorld world(options);
  world.receiver.refuse_for_now = milliseconds(minutes(10));
  world.Append(400);
  world.Run(seconds(1));  // refused in batches of up to 64 KiB
  const auto large = world.transport.batch_bytes_seen_max;
  world.receiver.refuse_for_now.reset();
  world.transport.Say(uploader::Control{milliseconds(0), seconds(1)});
  world.Run(milliseconds(1));
  world.transport.bytes_per_second = 3'000;
  world.Append(400);
  world.Run(minutes(9));  // acknowledged slowly: batches shrink
  EXPECT_LT(world.status().batch_bytes_limit, large);
  EXPECT_EQ(world.receiver.record_count(), 400U);
  ASSERT_TRUE(world.RunUntilDrained(hours(1)));
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_EQ(world.transport.attempts.size(), 1U);
}

TEST(Refusal, ForNowWithoutATimeIsTriedMoreAndMoreRarely) {
  UploadWorld::Options options;
  options.uploader.ask_delay = hours(24);  // one session
  UploadWorld world(options);
  world.receiver.refuse_for_now = milliseconds(0);
  world.Append(3);
  world.Run(hours(6));
  EXPECT_LT(world.transport.sends.size(), 400U);
  EXPECT_GT(world.transport.sends.size(), 60U);
  EXPECT_EQ(world.transport.attempts.size(), 1U);
  world.receiver.refuse_for_now.reset();
  ASSERT_TRUE(world.RunUntilDrained(minutes(6)));
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(Refusal, WhatWaitsForAnotherTryIsBounded) {
  UploadWorld::Options options;
  options.uploader.ask_delay = hours(24);  // one session
  UploadWorld world(options);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.receiver.refuse_for_now = milliseconds(hours(1));
  world.Run(minutes(50), seconds(20));
  EXPECT_LE(world.transport.sends.size(), 66U);
  world.receiver.refuse_for_now.reset();
  ASSERT_TRUE(world.RunUntilDrained(hours(3)));
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(Refusal, ObjectsThatTheReceiverLostAreSentAgain) {
  for (const bool named : {true, false}) {
    UploadWorld::Options options;
    options.key_interval = 1'000;
    UploadWorld world(options);
    world.receiver.name_missing_objects = named;
    world.Append(10);
    ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
    world.receiver.storage.objects.clear();
    world.Append(10);
    ASSERT_TRUE(world.RunUntilDrained(minutes(5))) << named;
    EXPECT_THAT(world.Check(), IsEmpty()) << named;
    EXPECT_THAT(world.Parked(), IsEmpty()) << named;
    EXPECT_EQ(world.transport.attempts.size(), 1U) << named;
  }
}

TEST(Refusal, ASingleObjectDeepDownIsSentAgain) {
  UploadWorld world;
  world.Append(10);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  // Another key is on its way soon; the schema that it names is gone.
  const auto objects = world.receiver.storage.objects;
  for (const auto& id : objects) {
    world.receiver.storage.objects.erase(id);
    world.Append(4);
    ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  }
  EXPECT_THAT(world.Check(), IsEmpty());
  EXPECT_THAT(world.Parked(), IsEmpty());
}

TEST(Refusal, AReceiverThatMissesObjectsForEverIsNotAskedForEver) {
  UploadWorld world;
  world.Append(4);
  world.receiver.always_misses_objects = true;
  world.Run(seconds(30));
  EXPECT_LT(world.receiver.batches, 2'000U);
  EXPECT_GE(world.status().counters.records_parked, 5U);
  EXPECT_THAT(world.Notices(), HasSubstr("however often it is sent"));
}

TEST(Refusal, ARefusalOfWhatWasNeverSentMeansNothing) {
  UploadWorld world;
  world.Append(10);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  for (const auto reason :
       {uploader::RefuseReason::kPermanent, uploader::RefuseReason::kRetry,
        uploader::RefuseReason::kMissingObject, uploader::RefuseReason::kEpochConflict}) {
    uploader::Refused refused;
    refused.spool_id = world.spool->spool_id();
    refused.ranges = spool::RangeSet({{1, 1'000'000}});
    refused.reason = reason;
    world.transport.Say(refused);
    refused.spool_id = *SpoolId::FromHex("00112233445566778899aabbccddeeff");
    world.transport.Say(refused);
  }
  world.Run(minutes(1));
  EXPECT_THAT(world.Parked(), IsEmpty());
  EXPECT_EQ(world.transport.attempts.size(), 1U);
  EXPECT_EQ(world.status().counters.epochs_started, 0U);
  world.Append(3);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  EXPECT_THAT(world.Check(), IsEmpty());
}

}  // namespace
}  // namespace doagent::test
