// The agent's spool: what was appended is there, whatever happens between.

#include "spool/spool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <variant>

#include "spool/inbox.h"
#include "spool/reader.h"
#include "spool/request.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {
namespace {

using test::MakeSnapshot;
using test::TempDir;
using test::TestSpoolOptions;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::size_t kBytes = 1 << 20;

std::unique_ptr<Spool> MustOpen(const SpoolOptions& options) {
  auto spool = Spool::Open(options);
  EXPECT_TRUE(spool) << spool.error().Message();
  return *std::move(spool);
}

Event MakeEvent(EventKind kind, const std::string& reason = "", std::uint64_t count = 0) {
  const Snapshot now = MakeSnapshot(0);
  return {kind, now.wall, now.mono, now.boot_id, reason, SpoolId(), {}, count};
}

std::vector<Record> ReadAll(const std::filesystem::path& path, const RecordFilter& filter = {}) {
  auto reader = Reader::Open(path);
  EXPECT_TRUE(reader) << reader.error().Message();
  std::vector<Record> records;
  const auto visited = (*reader)->Visit(
      filter,
      [&records](const Record& record) {
        records.push_back(record);
        return true;
      },
      [](const Error& error) { ADD_FAILURE() << error.Message(); });
  EXPECT_TRUE(visited) << visited.error().Message();
  return records;
}

OriginStatus OnlyStatus(const std::filesystem::path& path) {
  auto reader = Reader::Open(path);
  EXPECT_TRUE(reader) << reader.error().Message();
  const auto status = (*reader)->Status();
  EXPECT_TRUE(status) << status.error().Message();
  EXPECT_EQ(status->origins.size(), 1U);
  return status->origins.front();
}

std::vector<Sequence> Sequences(const PendingRecords& pending) {
  std::vector<Sequence> sequences;
  for (const auto& record : pending.records) sequences.push_back(record.sequence);
  return sequences;
}

ReceiverId TestReceiver(char c = 'r') {
  return *ReceiverId::FromBytes(std::string(ReceiverId::kBytes, c));
}

TEST(SpoolTest, WhatWasAppendedIsReadBack) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  {
    const auto spool = MustOpen(TestSpoolOptions(path));
    for (std::uint64_t tick = 1; tick <= 150; ++tick) {                // over two changes of keys
      EXPECT_EQ(spool->Append(MakeSnapshot(tick)).value(), tick + 1);  // 1 is the start event
    }
  }
  const auto records = ReadAll(path);
  ASSERT_EQ(records.size(), 151U);
  EXPECT_EQ(std::get<Event>(records[0].content).kind, EventKind::kStart);
  for (std::uint64_t tick = 1; tick <= 150; ++tick) {
    EXPECT_EQ(records[tick].sequence, tick + 1);
    EXPECT_TRUE(test::SameSnapshot(std::get<Snapshot>(records[tick].content), MakeSnapshot(tick)));
  }
}

TEST(SpoolTest, SequencesGoOnAfterReopening) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  SpoolId id;
  {
    const auto spool = MustOpen(TestSpoolOptions(path, 1));
    id = spool->spool_id();
    ASSERT_TRUE(spool->Append(MakeSnapshot(1)));
    ASSERT_TRUE(spool->Append(MakeEvent(EventKind::kStop)));
  }
  const auto spool = MustOpen(TestSpoolOptions(path, 2));
  EXPECT_EQ(spool->spool_id(), id);
  EXPECT_EQ(spool->Append(MakeSnapshot(2)).value(), 5U);
  const auto records = ReadAll(path);
  ASSERT_EQ(records.size(), 5U);
  EXPECT_EQ(std::get<Event>(records[0].content).reason, "first start");
  EXPECT_EQ(std::get<Event>(records[3].content).reason, "after a clean stop");
}

TEST(SpoolTest, AnEndWithoutAStopIsSaid) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  { ASSERT_TRUE(MustOpen(TestSpoolOptions(path, 1))->Append(MakeSnapshot(1))); }
  MustOpen(TestSpoolOptions(path, 2));
  EXPECT_EQ(std::get<Event>(ReadAll(path)[2].content).reason, "after an end without a stop");
}

TEST(SpoolTest, ASecondWayToTheFileIsNoWayAroundTheLock) {
  const TempDir dir;
  const auto first = MustOpen(TestSpoolOptions(dir / "spool.db"));
  std::filesystem::create_symlink("spool.db", dir / "link.db");
  const auto second = Spool::Open(TestSpoolOptions(dir / "link.db"));
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().Message(), HasSubstr("is in use by test"));
}

TEST(SpoolTest, SecondWriterIsToldWhoIsFirst) {
  const TempDir dir;
  const auto first = MustOpen(TestSpoolOptions(dir / "spool.db"));
  const auto second = Spool::Open(TestSpoolOptions(dir / "spool.db"));
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().Message(),
              HasSubstr("in use by test, process " + std::to_string(getpid())));
}

TEST(SpoolTest, FileAndLockAreForTheirOwnerAlone) {
  const TempDir dir;
  const auto spool = MustOpen(TestSpoolOptions(dir / "spool.db"));
  for (const char* name : {"spool.db", "spool.db.lock", "spool.db-wal", "spool.db-shm"}) {
    EXPECT_EQ(std::filesystem::status(dir / name).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << name;
  }
}

TEST(SpoolTest, PendingComesOldestFirstInBoundedPieces) {
  const TempDir dir;
  const auto spool = MustOpen(TestSpoolOptions(dir / "spool.db"));
  for (std::uint64_t tick = 1; tick <= 3; ++tick) ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
  const SpoolId id = spool->spool_id();
  EXPECT_THAT(Sequences(*spool->NextPending(id, {}, kBytes)), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Sequences(*spool->NextPending(id, {}, 1)), ElementsAre(1));
  EXPECT_THAT(Sequences(*spool->NextPending(id, RangeSet({{1, 2}}), kBytes)), ElementsAre(3, 4));
  EXPECT_THAT(Sequences(*spool->NextPending(id, RangeSet({{2, 2}}), kBytes)), ElementsAre(1));
  EXPECT_THAT(Sequences(*spool->NextPending(id, RangeSet({{1, 4}}), kBytes)), IsEmpty());
}

TEST(SpoolTest, AcknowledgedIsNotPendingAndSurvivesAStop) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  {
    const auto spool = MustOpen(TestSpoolOptions(path, 1));
    for (std::uint64_t tick = 1; tick <= 4; ++tick) ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
    spool->Acknowledge(spool->spool_id(), TestReceiver(), RangeSet({{1, 2}, {4, 4}}));
    EXPECT_THAT(Sequences(*spool->NextPending(spool->spool_id(), {}, kBytes)), ElementsAre(3));
    ASSERT_TRUE(spool->Append(MakeEvent(EventKind::kStop)));
  }
  const OriginStatus status = OnlyStatus(path);
  EXPECT_EQ(status.acknowledged_records, 3U);
  EXPECT_EQ(status.pending_records, 3U);  // 3, 5 and the stop event
  const auto spool = MustOpen(TestSpoolOptions(path, 2));
  EXPECT_EQ(spool->Claims()->front().first_pending, 3U);
  EXPECT_EQ(spool->Acknowledged(spool->spool_id(), TestReceiver()), RangeSet({{1, 2}, {4, 4}}));
}

TEST(SpoolTest, AcknowledgementsRideWithEverySixthAppend) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  const auto spool = MustOpen(TestSpoolOptions(path));
  spool->Acknowledge(spool->spool_id(), TestReceiver(), RangeSet({{1, 1}}));
  for (std::uint64_t tick = 1; tick <= 5; ++tick) ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
  EXPECT_EQ(OnlyStatus(path).acknowledged_records, 0U);
  ASSERT_TRUE(spool->Append(MakeSnapshot(6)));
  EXPECT_EQ(OnlyStatus(path).acknowledged_records, 1U);
}

TEST(SpoolTest, AnAcknowledgementOfWhatWeDoNotHaveIsIgnored) {
  const TempDir dir;
  const auto spool = MustOpen(TestSpoolOptions(dir / "spool.db"));
  spool->Acknowledge(spool->spool_id(), TestReceiver(), RangeSet({{1, 100}}));
  EXPECT_EQ(spool->Append(MakeSnapshot(1)).value(), 2U);
  EXPECT_THAT(Sequences(*spool->NextPending(spool->spool_id(), {}, kBytes)), ElementsAre(2));
}

TEST(SpoolTest, WhatAReceiverLostIsPendingAgain) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  {
    const auto spool = MustOpen(TestSpoolOptions(path, 1));
    for (std::uint64_t tick = 1; tick <= 4; ++tick) ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
    spool->Acknowledge(spool->spool_id(), TestReceiver('a'), RangeSet({{1, 5}}));
    spool->Acknowledge(spool->spool_id(), TestReceiver('b'), RangeSet({{2, 2}}));
    ASSERT_TRUE(spool->Append(MakeEvent(EventKind::kStop)));
    ASSERT_TRUE(spool->Unacknowledge(spool->spool_id(), TestReceiver('a'), RangeSet({{2, 4}})));
    // Another receiver still has 2.
    EXPECT_THAT(Sequences(*spool->NextPending(spool->spool_id(), {}, kBytes)), ElementsAre(3, 4));
  }
  EXPECT_EQ(OnlyStatus(path).acknowledged_records, 3U);
}

TEST(SpoolTest, AParkedRecordIsSetAsideListedAndPutBack) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  const auto spool = MustOpen(TestSpoolOptions(path));
  const Snapshot now = MakeSnapshot(1);
  ASSERT_TRUE(spool->Append(now));
  ASSERT_TRUE(spool->Park(spool->spool_id(), RangeSet({{2, 2}}), "too odd", now.wall, now.mono));
  EXPECT_THAT(Sequences(*spool->NextPending(spool->spool_id(), {}, kBytes)), ElementsAre(1));
  const auto parked = (*Reader::Open(path))->Parked();
  ASSERT_EQ(parked->size(), 1U);
  EXPECT_EQ(parked->front().sequence, 2U);
  EXPECT_EQ(parked->front().reason, "too odd");
  EXPECT_EQ(OnlyStatus(path).parked_records, 1U);
  // The event that tells of it is a record like others.
  EXPECT_EQ(std::get<Event>(ReadAll(path)[2].content).kind, EventKind::kPark);

  const auto outcome = RequestRetryParked(path);
  ASSERT_TRUE(outcome) << outcome.error().Message();
  EXPECT_TRUE(outcome->queued);
  EXPECT_EQ(outcome->records, 1U);
  EXPECT_EQ(OnlyStatus(path).parked_records, 1U);  // the owner has not seen the request yet
  ASSERT_TRUE(spool->Append(MakeSnapshot(2)));
  EXPECT_EQ(OnlyStatus(path).parked_records, 0U);
  EXPECT_THAT(Sequences(*spool->NextPending(spool->spool_id(), {}, kBytes)),
              ElementsAre(1, 2, 3, 4));
}

TEST(SpoolTest, WhatIsDeliveredUnderAnOlderIdIsStillClaimed) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  SpoolId old_id;
  {
    const auto spool = MustOpen(TestSpoolOptions(path, 1));
    old_id = spool->spool_id();
    spool->Acknowledge(old_id, TestReceiver(), RangeSet({{1, 1}}));
    ASSERT_TRUE(spool->Append(Event{EventKind::kStop, {}, {}, test::TestBootId(), "", {}, {}, 0}));
  }
  SpoolOptions options = TestSpoolOptions(path, 2);
  options.host = test::TestHost("machine-2");
  const auto spool = MustOpen(options);
  spool->Acknowledge(old_id, TestReceiver(), RangeSet({{2, 2}}));
  const auto claims = *spool->Claims();
  ASSERT_EQ(claims.size(), 2U);
  EXPECT_EQ(claims[1].spool_id, old_id);
  EXPECT_GT(claims[1].first_pending, claims[1].head);
  // What the receiver turns out to lack is pending again.
  ASSERT_TRUE(spool->Unacknowledge(old_id, TestReceiver(), RangeSet({{1, 2}})));
  EXPECT_EQ(spool->Claims()->at(1).first_pending, 1U);
}

TEST(SpoolTest, ASchemaThatNobodyWouldReadIsRefused) {
  const TempDir dir;
  const auto spool = MustOpen(TestSpoolOptions(dir / "spool.db"));
  std::vector<Label> labels;
  for (int i = 0; i < 20; ++i) labels.push_back({"l" + std::to_string(i), ""});
  const std::vector<Series> series(30'000, Series{0, labels});
  Snapshot snapshot = MakeSnapshot(1);
  snapshot.sections = {test::MakeSection(
      std::make_shared<const Schema>("c", std::vector<Family>{{"f", "", {}, {}, ""}}, series), 1)};
  const auto refused = spool->Append(snapshot);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kRefuse);
  EXPECT_TRUE(spool->Append(MakeSnapshot(2)));
}

TEST(SpoolTest, ASnapshotBeyondTheLimitsIsRefusedAndTheNextOneStored) {
  const TempDir dir;
  const auto spool = MustOpen(TestSpoolOptions(dir / "spool.db"));
  Snapshot snapshot = MakeSnapshot(1);
  const auto large = test::MakeSchema("large", static_cast<int>(kSeriesMax));
  snapshot.sections.push_back(test::MakeSection(large, 1));
  const auto refused = spool->Append(snapshot);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kRefuse);
  EXPECT_THAT(refused.error().Message(), HasSubstr("100017 series: more than a record takes"));
  EXPECT_EQ(*spool->Append(MakeSnapshot(2)), 2U);
}

TEST(SpoolTest, AReceiversSpoolHasNothingToRetry) {
  const TempDir dir;
  ASSERT_TRUE(Inbox::Open({dir / "inbox.db", "test", [] { return 7; }}));
  const auto outcome = RequestRetryParked(dir / "inbox.db");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kRefuse);
  EXPECT_THAT(outcome.error().Message(), HasSubstr("a receiver's spool"));
}

TEST(SpoolTest, WithoutAnOwnerTheToolPutsBackItself) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  {
    const auto spool = MustOpen(TestSpoolOptions(path));
    const Snapshot now = MakeSnapshot(1);
    ASSERT_TRUE(spool->Park(spool->spool_id(), RangeSet({{1, 1}}), "odd", now.wall, now.mono));
  }
  const auto outcome = RequestRetryParked(path);
  ASSERT_TRUE(outcome) << outcome.error().Message();
  EXPECT_FALSE(outcome->queued);
  EXPECT_EQ(OnlyStatus(path).parked_records, 0U);
}

TEST(SpoolTest, AnotherMachineStartsANewSpoolIdAndKeepsTheOldRecords) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  SpoolId old_id;
  {
    const auto spool = MustOpen(TestSpoolOptions(path, 1));
    old_id = spool->spool_id();
    ASSERT_TRUE(spool->Append(MakeSnapshot(1)));
  }
  SpoolOptions options = TestSpoolOptions(path, 2);
  options.host = test::TestHost("machine-2");
  const auto spool = MustOpen(options);
  EXPECT_NE(spool->spool_id(), old_id);
  const auto claims = *spool->Claims();
  ASSERT_EQ(claims.size(), 2U);
  EXPECT_TRUE(claims[0].current);
  EXPECT_EQ(claims[0].spool_id, spool->spool_id());
  EXPECT_EQ(claims[1].spool_id, old_id);
  EXPECT_EQ(claims[1].host.machine_id, "machine-1");
  EXPECT_THAT(Sequences(*spool->NextPending(old_id, {}, kBytes)), ElementsAre(1, 2));
  EXPECT_THAT(Sequences(*spool->NextPending(spool->spool_id(), {}, kBytes)), ElementsAre(1, 2));
}

TEST(SpoolTest, ANewEpochMovesThisIncarnationsRecordsAlone) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  { ASSERT_TRUE(MustOpen(TestSpoolOptions(path, 1))->Append(MakeSnapshot(1))); }
  SpoolId old_id;
  SpoolId new_id;
  {
    const auto spool = MustOpen(TestSpoolOptions(path, 2));  // start event: 3
    old_id = spool->spool_id();
    for (std::uint64_t tick = 2; tick <= 4; ++tick) ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
    spool->Acknowledge(old_id, TestReceiver(), RangeSet({{1, 1}, {5, 5}}));
    const Snapshot now = MakeSnapshot(9);
    const auto epoch = spool->StartNewEpoch(1, "conflict", now.wall, now.mono);
    ASSERT_TRUE(epoch) << epoch.error().Message();
    new_id = *epoch;
    EXPECT_EQ(spool->spool_id(), new_id);
    EXPECT_THAT(Sequences(*spool->NextPending(old_id, {}, kBytes)), ElementsAre(2));
    // 5 was acknowledged under its old name; that knowledge moves with it.
    EXPECT_THAT(Sequences(*spool->NextPending(new_id, {}, kBytes)), ElementsAre(3, 4));
    EXPECT_THAT(Sequences(*spool->NextPending(new_id, RangeSet({{3, 4}}), kBytes)),
                ElementsAre(6, 7));
    EXPECT_EQ(spool->Append(MakeSnapshot(5)).value(), 8U);
  }
  const auto records = ReadAll(path);
  ASSERT_EQ(records.size(), 8U);
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].sequence, i + 1);
    EXPECT_EQ(records[i].spool_id, i < 2 ? old_id : new_id);
  }
  EXPECT_EQ(std::get<Event>(records[6].content).kind, EventKind::kIdentityChange);
  // Reopened, it goes on where it was.
  const auto spool = MustOpen(TestSpoolOptions(path, 3));
  EXPECT_EQ(spool->spool_id(), new_id);
  EXPECT_EQ(spool->head(), 9U);
  const auto status = (*Reader::Open(path))->Status();
  for (const auto& origin : status->origins) EXPECT_THAT(origin.missing, IsEmpty());
}

TEST(SpoolTest, GapsAreCountedInTheLedger) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  const auto spool = MustOpen(TestSpoolOptions(path));
  ASSERT_TRUE(spool->Append(MakeEvent(EventKind::kGap, "the disk was full", 7)));
  ASSERT_TRUE(spool->Append(MakeEvent(EventKind::kGap, "the disk was full", 5)));
  EXPECT_EQ(OnlyStatus(path).lost_records, 12U);
}

TEST(SpoolTest, ALocalSpoolHasNothingPending) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  SpoolOptions options = TestSpoolOptions(path);
  options.local = true;
  const auto spool = MustOpen(options);
  ASSERT_TRUE(spool->Append(MakeSnapshot(1)));
  EXPECT_EQ(OnlyStatus(path).pending_records, 0U);
  EXPECT_EQ(ReadAll(path)[1].state, DeliveryState::kLocal);
}

TEST(SpoolTest, ObjectsComeWithWhatTheyName) {
  const TempDir dir;
  const auto spool = MustOpen(TestSpoolOptions(dir / "spool.db"));
  ASSERT_TRUE(spool->Append(MakeSnapshot(1)));
  const auto pending = *spool->NextPending(spool->spool_id(), {}, kBytes);
  const auto objects = spool->Objects({pending.records[1].key});
  ASSERT_TRUE(objects) << objects.error().Message();
  std::vector<ObjectKind> kinds;
  for (const auto& object : *objects) kinds.push_back(object.kind);
  EXPECT_THAT(kinds, ElementsAre(ObjectKind::kSchema, ObjectKind::kSchema, ObjectKind::kLayout,
                                 ObjectKind::kKey));
}

TEST(SpoolTest, TheCallbackComesAfterTheRecordIsThere) {
  const TempDir dir;
  const auto spool = MustOpen(TestSpoolOptions(dir / "spool.db"));
  Sequence seen = 0;
  spool->OnAppend([&] { seen = spool->head(); });
  ASSERT_TRUE(spool->Append(MakeSnapshot(1)));
  EXPECT_EQ(seen, 2U);
}

}  // namespace
}  // namespace doagent::spool
