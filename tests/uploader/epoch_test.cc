// Spools that were rolled back or cloned: two histories under one name.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "tests/support/upload_world.h"

namespace doagent::test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using uploader::CloseReason;
using uploader::State;

// What of the spool the receiver has, by content: the same record may have two names.
std::multiset<std::uint64_t> Checksums(const FakeReceiver& receiver) {
  std::multiset<std::uint64_t> checksums;
  for (const auto& [spool_id, origin] : receiver.storage.origins) {
    for (const auto& [sequence, record] : origin.records) checksums.insert(record.checksum);
  }
  return checksums;
}

// All records that the spool holds are at the receiver under their names, or set aside.
void ExpectDelivered(UploadWorld& world) {
  const auto parked = world.Parked();
  for (const auto& [spool_id, record] : world.Records()) {
    if (parked.contains({spool_id, record.sequence})) continue;
    ASSERT_TRUE(world.receiver.Has(spool_id, record.sequence)) << record.sequence;
    EXPECT_EQ(world.receiver.storage.origins.at(spool_id).records.at(record.sequence).checksum,
              record.checksum)
        << record.sequence;
  }
}

TEST(Epoch, AfterARollbackTheNewHistoryGetsANewName) {
  UploadWorld world;
  world.Append(20);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.TakeImage();
  const auto first_id = world.spool->spool_id();
  world.Append(10);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  const auto of_first_history = Checksums(world.receiver);

  world.RestoreImage();  // sequences 22 to 31 will be used once more
  world.Append(30);
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  EXPECT_NE(world.spool->spool_id(), first_id);
  EXPECT_THAT(world.Notices(), HasSubstr("another history"));
  EXPECT_EQ(world.status().counters.epochs_started, 1U);
  ExpectDelivered(world);
  EXPECT_THAT(world.Parked(), IsEmpty());
  EXPECT_THAT(world.transport.violations, IsEmpty());
  // The first history is untouched, and nothing arrived twice: 31 of the first, then a start event,
  // 30 snapshots and the event of the change.
  const auto all = Checksums(world.receiver);
  EXPECT_TRUE(
      std::includes(all.begin(), all.end(), of_first_history.begin(), of_first_history.end()));
  EXPECT_EQ(all.size(), 31U + 32);
  EXPECT_EQ(std::set<std::uint64_t>(all.begin(), all.end()).size(), all.size());
}

TEST(Epoch, AConflictThatOnlyShowsInARefusalIsHandledTheSame) {
  UploadWorld world;
  world.receiver.reports_conflicts = false;
  world.Append(20);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.TakeImage();
  world.Append(3);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.RestoreImage();
  world.Append(30);  // further than the first history went
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  EXPECT_EQ(world.status().counters.epochs_started, 1U);
  ExpectDelivered(world);
}

TEST(Epoch, AReceiverThatKnowsMoreThanWeIsAConflict) {
  UploadWorld world;
  world.receiver.reports_conflicts = false;
  world.Append(20);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.TakeImage();
  world.Append(30);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.RestoreImage();
  world.Append(3);
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  EXPECT_THAT(world.Notices(), HasSubstr("the receiver has records up to 51"));
  EXPECT_EQ(world.status().counters.epochs_started, 1U);
  ExpectDelivered(world);
  EXPECT_THAT(world.Parked(), IsEmpty());
}

TEST(Epoch, WhatTheReceiverAcknowledgedToUsKeepsItsName) {
  UploadWorld world;
  world.Append(20);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  const auto first_id = world.spool->spool_id();
  // Someone else goes on from here under our name.
  auto& origin = world.receiver.storage.origins[first_id];
  for (Sequence sequence = 22; sequence < 40; ++sequence) {
    origin.records[sequence] = {sequence, 4711};
    origin.sequences.Add({sequence, sequence});
  }
  world.transport.Cut({CloseReason::kUnreachable, "cut", {}});
  world.Run(Nanoseconds(1));
  world.Append(10);
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  const auto second_id = world.spool->spool_id();
  ASSERT_NE(second_id, first_id);
  for (const auto& [spool_id, record] : world.Records()) {
    EXPECT_EQ(spool_id, record.sequence <= 21 ? first_id : second_id) << record.sequence;
  }
  ExpectDelivered(world);
}

TEST(Epoch, TwoOpeningsSinceTheRollbackLoseNothing) {
  UploadWorld world;
  world.Append(20);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.TakeImage();
  world.Append(30);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.reachable = false;
  world.RestoreImage();
  world.Append(5);
  world.Restart();
  world.Append(5);
  world.transport.reachable = true;
  ASSERT_TRUE(world.RunUntilDrained(hours(2)));
  // The records of the opening in between are refused under the old name, and kept.
  EXPECT_EQ(world.Parked().size(), 7U);  // start, 5 snapshots, stop
  ExpectDelivered(world);
  EXPECT_EQ(world.status().counters.epochs_started, 1U);
}

TEST(Epoch, AConflictAboutAnEarlierOpeningsRecordSetsThatRecordAside) {
  UploadWorld world;
  world.Append(10);
  world.Restart();
  world.Append(10);
  const auto spool_id = world.spool->spool_id();
  // After the Welcome and before the first batch.
  world.After(std::chrono::milliseconds(50), [&] {
    auto& origin = world.receiver.storage.origins[spool_id];
    origin.records[5] = {4711, 4711};
    origin.sequences.Add({5, 5});
  });
  ASSERT_TRUE(world.RunUntilDrained(minutes(5)));
  const std::set<FakeReceiver::Name> expected = {{spool_id, 5}};
  EXPECT_EQ(world.Parked(), expected);
  EXPECT_EQ(world.status().counters.epochs_started, 0U);
  EXPECT_EQ(world.spool->spool_id(), spool_id);
}

TEST(Epoch, AReceiverThatSeesConflictsEverywhereMakesNoFloodOfNames) {
  UploadWorld world;
  world.Append(20);
  world.receiver.conflict_in_everything = true;
  world.Run(hours(24), minutes(10));
  EXPECT_LE(world.spool_ids.size(), 24U * 6 + 2);
  EXPECT_LT(world.transport.attempts.size(), 24U * 60);
  EXPECT_THAT(world.Notices(), HasSubstr("only just before"));
  world.receiver.conflict_in_everything = false;
  ASSERT_TRUE(world.RunUntilDrained(hours(1)));
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(Epoch, RecordsOfOlderNamesGoFirst) {
  UploadWorld world;
  world.Append(20);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.reachable = false;
  world.transport.Cut({CloseReason::kUnreachable, "cut", {}});
  world.Append(10);
  const auto old_id = world.spool->spool_id();
  ASSERT_TRUE(world.spool->StartNewEpoch(world.spool->head() - 3, "test", WallTime(), world.clock)
                  .has_value());
  world.Append(5);
  const auto delivered_before = world.receiver.stored_order.size();
  world.transport.reachable = true;
  ASSERT_TRUE(world.RunUntilDrained(hours(1)));
  EXPECT_EQ(world.receiver.stored_order[delivered_before].first, old_id);
  EXPECT_EQ(world.receiver.stored_order.back().first, world.spool->spool_id());
  ExpectDelivered(world);
}

TEST(Epoch, ASpoolIdThatChangesDuringASessionIsClaimedBeforeItIsUsed) {
  UploadWorld world;
  world.Append(20);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  ASSERT_TRUE(world.spool->StartNewEpoch(world.spool->head() + 1, "test", WallTime(), world.clock)
                  .has_value());
  world.Append(5);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  EXPECT_EQ(world.transport.attempts.size(), 2U);
  EXPECT_THAT(world.Check(), IsEmpty());
}

}  // namespace
}  // namespace doagent::test
