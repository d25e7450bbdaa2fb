// What a spool removes, in which order, and what it says about it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "spool/layout.h"
#include "spool/reader.h"
#include "spool/set_aside.h"
#include "spool/spool.h"
#include "tests/spool/retention_support.h"
#include "tests/spool/verify_support.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using test::MakeSnapshot;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST_F(RetentionTest, WhatWasDeliveredGoesAfterADayAndWhatWasNotStays) {
  Open();
  Append(64);
  Acknowledge(1, 33);
  Idle(hours(23));
  EXPECT_EQ(Read().snapshots, RangeSet({{2, 65}}));
  Idle(hours(2));
  EXPECT_EQ(Read().snapshots, RangeSet({{34, 65}}));
  EXPECT_THAT(Read().losses, IsEmpty());
  EXPECT_EQ(Status().lost_records, 0U);
  CheckLedger();
  // The numbers are not used again, whatever is left.
  Acknowledge(34, 65);
  Idle(hours(25));
  const Sequence head = spool_->head();
  Open();
  EXPECT_GT(spool_->head(), head);
}

TEST_F(RetentionTest, APartlyDeliveredBlockStays) {
  Open();
  Append(32);
  Acknowledge(1, 20);
  Idle(hours(30));
  EXPECT_EQ(Read().snapshots, RangeSet({{18, 33}}));
}

TEST_F(RetentionTest, ALocalSpoolKeepsEverythingUnlessToldOtherwise) {
  local_ = true;
  policy_.expires = false;
  Open();
  Append(32);
  Idle(hours(48));
  EXPECT_EQ(Read().snapshots, RangeSet({{2, 33}}));
  policy_.expires = true;
  Open();
  Idle(minutes(2));
  EXPECT_THAT(Read().snapshots, RangeSet());
}

TEST_F(RetentionTest, AClockThatIsYearsAheadTakesLittleWithIt) {
  Open();
  Append(320);
  Acknowledge(1, spool_->head());
  wall_ahead_ = hours(24 * 3650);
  Idle(minutes(10));
  EXPECT_EQ(Read().snapshots.first(), 2U);
  wall_ahead_ = Nanoseconds(0);
  Idle(minutes(10));
  EXPECT_EQ(Read().snapshots, RangeSet({{2, 321}}));
  Idle(hours(26));
  EXPECT_EQ(Read().snapshots, RangeSet());
}

TEST_F(RetentionTest, ForWantOfSpaceDeliveredRecordsGoFirst) {
  policy_.bytes_max = 3 << 20;
  Open();
  Append(160, 4000);
  const Sequence delivered = spool_->head();
  Acknowledge(1, delivered);
  EXPECT_THAT(Read().losses, IsEmpty());
  Append(200, 4000);
  const Contents contents = Read();
  EXPECT_LE(FileBytes(), policy_.bytes_max);
  EXPECT_GT(contents.snapshots.first(), 2U);
  EXPECT_LT(contents.snapshots.first(), delivered) << FileBytes();
  EXPECT_TRUE(contents.snapshots.Contains({delivered + 1, delivered + 200}));
  EXPECT_THAT(contents.losses, IsEmpty());
  CheckLedger();
}

TEST_F(RetentionTest, ItNeverTakesMoreThanItMay) {
  policy_.bytes_max = 8 << 20;
  interval_ = std::chrono::milliseconds(100);
  Open();
  std::uint64_t most = 0;
  for (int i = 0; i < 3000; ++i) {
    Append(1, 3000);
    most = std::max(most,
                    BytesOnDisk() + BytesOnDisk("spool.db-wal") + BytesOnDisk("spool.db.reserve"));
  }
  EXPECT_LE(most, policy_.bytes_max);
  EXPECT_GT(most, policy_.bytes_max / 8 * 7) << "the test is too short";
  CheckLedger();
}

TEST_F(RetentionTest, NothingGoesWhileADamagedFileIsTakenOver) {
  policy_.bytes_max = 8 << 20;
  Open();
  while (BytesOnDisk() < 9 * policy_.bytes_max / 16) Append(1, 3000);
  const RangeSet before = Read().snapshots;
  spool_.reset();
  std::fstream(dir_ / "spool.db", std::ios::in | std::ios::out | std::ios::binary)
      << std::string(1024, '\x55');
  Open();
  ASSERT_THAT(FilesSetAside(dir_ / "spool.db"), SizeIs(1));
  std::uint64_t appended = 0;
  for (bool more = true; more; ++appended) {
    Pass(interval_);
    Snapshot snapshot = MakeSnapshot(++tick_);
    snapshot.wall = Wall();
    snapshot.mono = mono_;
    ASSERT_TRUE(spool_->Append(snapshot));
    const auto maintained = spool_->Maintain(Wall(), mono_);
    ASSERT_TRUE(maintained) << maintained.error().Message();
    more = *maintained;
  }
  EXPECT_GT(appended, kBlock) << "nothing was sealed that could have been thinned";
  const Contents contents = Read();
  EXPECT_THAT(contents.losses, IsEmpty());
  EXPECT_EQ(CountWithin(contents.snapshots, {before.first(), before.last()}), before.count());
  // Then it goes, for there is no room for both.
  EXPECT_THAT(FilesSetAside(dir_ / "spool.db"), IsEmpty());
  EXPECT_LE(BytesOnDisk() + BytesOnDisk("spool.db-wal"), policy_.bytes_max);
}

TEST_F(RetentionTest, UndeliveredRecordsAreThinnedBeforeAnyIsDropped) {
  policy_.bytes_max = 2200 << 10;
  Open();
  Append(1500, 1000);
  EXPECT_LE(FileBytes(), policy_.bytes_max);
  const Contents contents = Read();
  ASSERT_THAT(contents.losses, Not(IsEmpty()));
  for (const Event& event : contents.losses) EXPECT_EQ(event.kind, EventKind::kThinning);
  // Of every block something is left, the most of the newest.
  for (Sequence first = 2; first + 200 < spool_->head(); first += 200) {
    EXPECT_TRUE(contents.snapshots.Intersects({first, first + 199})) << first;
  }
  const SequenceRange newest{spool_->head() - 100, spool_->head()};
  EXPECT_EQ(CountWithin(contents.snapshots, newest) + CountWithin(contents.events, newest), 101U);
  EXPECT_LT(CountWithin(contents.snapshots, {2, 101}), 51U);
  CheckLedger();
}

TEST_F(RetentionTest, TheNewestAreSparedThoughAllIsYoungerThanTheFloor) {
  policy_.bytes_max = 2200 << 10;
  policy_.floor = hours(1000);
  Open();
  Append(1500, 1000);
  const Contents contents = Read();
  ASSERT_THAT(contents.losses, Not(IsEmpty()));
  const SequenceRange newest{spool_->head() - 100, spool_->head()};
  EXPECT_EQ(CountWithin(contents.snapshots, newest) + CountWithin(contents.events, newest), 101U);
}

TEST_F(RetentionTest, WhenAllIsThinTheOldestGo) {
  policy_.bytes_max = 1600 << 10;
  Open();
  Append(1400, 2000);
  EXPECT_LE(FileBytes(), policy_.bytes_max);
  const Contents contents = Read();
  std::set<EventKind> kinds;
  for (const Event& event : contents.losses) kinds.insert(event.kind);
  EXPECT_THAT(kinds, ElementsAre(EventKind::kEviction, EventKind::kThinning));
  // Events stay.
  EXPECT_TRUE(contents.events.Contains(Sequence{1}));
  CheckLedger();
}

TEST_F(RetentionTest, WhatIsRemovedIsParkedNoMore) {
  policy_.bytes_max = 1600 << 10;
  Open();
  Append(20, 2000);
  ASSERT_TRUE(spool_->Park(spool_->spool_id(), RangeSet({{2, 19}}), "refused", Wall(), mono_));
  const auto parked = [this] {
    RangeSet sequences;
    const auto records = (*Reader::Open(dir_ / "spool.db"))->Parked();
    for (const ParkedRecord& record : *records) sequences.Add({record.sequence, record.sequence});
    return sequences;
  };
  EXPECT_EQ(parked(), RangeSet({{2, 19}}));
  Append(400, 2000);
  const RangeSet left = parked();
  EXPECT_LT(left.count(), 18U) << "the test is too short";
  const RangeSet stored = Read().snapshots;
  for (const auto& range : left.ToVector()) EXPECT_TRUE(stored.Contains(range)) << range.first;
  EXPECT_EQ(CountWithin(stored, {2, 19}), left.count());
  EXPECT_EQ(spool_->Stats().parked_records, left.count());
  // It is the same after a restart.
  Open();
  EXPECT_EQ(spool_->Stats().parked_records, left.count());
  CheckLedger();
}

TEST_F(RetentionTest, WhatIsYoungerThanTheFloorGoesLast) {
  policy_.bytes_max = 3 << 20;
  policy_.floor = hours(2);
  Open();
  Append(320, 1000);
  Acknowledge(1, spool_->head());
  Append(160, 1000);
  // All of it is young: delivered first, all the same.
  EXPECT_THAT(Read().losses, IsEmpty());
  Idle(hours(2));
  Append(300, 1000);
  const Contents contents = Read();
  EXPECT_TRUE(contents.snapshots.Contains({spool_->head() - 100, spool_->head() - 1}));
  CheckLedger();
}

TEST_F(RetentionTest, StatusSaysHowLongTheRoomLasts) {
  const auto status = [this] { return *(*Reader::Open(dir_ / "spool.db"))->Status(); };
  const auto days = [](const SpoolStatus& of) {
    return std::chrono::duration<double, std::ratio<86400>>(*of.time_to_full).count();
  };
  policy_.bytes_max = 64 << 20;
  Open();
  EXPECT_FALSE(status().time_to_full) << "nothing shows the rate yet";
  Append(10 * kBlock, 500);
  const SpoolStatus before = status();
  ASSERT_TRUE(before.bytes_per_day && before.time_to_full);
  const auto of_a_day = [&](std::uint64_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(*before.bytes_per_day);
  };
  EXPECT_NEAR(days(before), of_a_day((64 << 20) - before.file_bytes), of_a_day(1 << 20));

  // What is foretold for three more hours is what they take.
  const auto used = [this] {
    const auto reading = *OpenForReading(dir_ / "spool.db");
    return 1024 * static_cast<std::uint64_t>(*reading->QueryInteger("PRAGMA page_count") -
                                             *reading->QueryInteger("PRAGMA freelist_count"));
  };
  const std::uint64_t used_before = used();
  Append(68 * kBlock, 500);
  EXPECT_NEAR(of_a_day(used() - used_before) * 24, 3.0, 1.0);

  policy_.bytes_max = std::uint64_t{1} << 60;
  Open();
  const SpoolStatus unlimited = status();
  ASSERT_TRUE(unlimited.disk_free_bytes);
  EXPECT_NEAR(days(unlimited),
              static_cast<double>(*unlimited.disk_free_bytes) /
                  static_cast<double>(*unlimited.bytes_per_day),
              of_a_day(2 << 20))
      << "the disk is full first";
}

TEST_F(RetentionTest, AYoungSpoolThatStartsWithAClockYearsAheadKeepsEverything) {
  local_ = true;
  Open();
  Append(3 * kBlock);
  const auto before = Read();
  wall_ahead_ = hours(24 * 365 * 3);
  Open();
  Append(2);
  Idle(hours(1));
  EXPECT_TRUE(Read().snapshots.Contains(before.snapshots.first()));
  EXPECT_EQ(Read().snapshots.count(), before.snapshots.count() + 2);
}

TEST_F(RetentionTest, AWreckThatCannotBeRemovedHoldsUpNothing) {
  std::filesystem::create_directories(dir_ / "spool.db.damaged-log-20200101T000000Z-wal" / "in");
  policy_.bytes_max = 2 << 20;
  Open();
  Append(600, 2000);
  EXPECT_THAT(Read().losses, Not(IsEmpty())) << "the test is too short";
  CheckLedger();
}

TEST_F(RetentionTest, SpaceGoesBackToTheFileSystem) {
  policy_.bytes_max = 16 << 20;
  Open();
  Append(800, 2000);
  Acknowledge(1, spool_->head());
  const auto full = BytesOnDisk();
  Idle(hours(30));
  // With some records more, for what is given back must not be taken again.
  Append(50, 2000);
  EXPECT_LT(std::filesystem::file_size(dir_ / "spool.db"), full / 2);
  EXPECT_LT(BytesOnDisk(), full / 2);
}

TEST_F(RetentionTest, DamagedBlocksGoFirstAndTheRestGoesOn) {
  policy_.bytes_max = 2200 << 10;
  Open();
  while (Read().losses.empty()) Append(20, 1000);
  // Everything but the newest: whatever is chosen next cannot be read.
  const Sequence border = spool_->head() - 2 * kBlock;
  Sql(dir_ / "spool.db", "UPDATE blocks SET payload = zeroblob(length(payload)) WHERE last < " +
                             std::to_string(border));
  Append(600, 1000);
  EXPECT_LE(FileBytes(), policy_.bytes_max);
  // What was too thin to be chosen is found when it is looked through.
  Idle(hours(2));
  EXPECT_THAT(Read().losses, Contains(Field(&Event::kind, EventKind::kSalvageLoss)));
  CheckLedger();
}

TEST_F(RetentionTest, ABlockWithADamagedEndCountsForNoMoreThanItCanHave) {
  local_ = true;
  policy_.bytes_max = 2200 << 10;
  Open();
  while (Status().lost_records == 0) Append(1, 1000);
  const std::uint64_t before = Status().lost_records;
  Sql(dir_ / "spool.db",
      "UPDATE blocks SET last = last + 1000 WHERE id = (SELECT min(id) "
      "FROM blocks)");
  while (Status().lost_records == before) Append(1, 1000);
  EXPECT_EQ(Status().lost_records, tick_ - Read().snapshots.count());
  CheckLedger();
}

TEST_F(RetentionTest, WhatIsKeptOfDamagedRecordsGoesBeforeAnythingElse) {
  policy_.bytes_max = 4 << 20;
  Open();
  Append(700, 1000);
  Sql(dir_ / "spool.db", "INSERT INTO damaged VALUES(1, 1, 'a test', zeroblob(2000000))");
  Append(700, 1000);
  EXPECT_LE(FileBytes(), policy_.bytes_max);
  EXPECT_THAT(Read().losses, IsEmpty());
  EXPECT_EQ((*OpenForReading(dir_ / "spool.db"))->QueryInteger("SELECT count(*) FROM damaged"), 0);
}

TEST_F(RetentionTest, TheOldestGoFirstWhateverTheirSpoolId) {
  policy_.bytes_max = 2200 << 10;
  Open();
  Append(320, 1000);
  ASSERT_THAT(Read().losses, IsEmpty());
  spool_.reset();
  std::fstream(dir_ / "spool.db", std::ios::in | std::ios::out | std::ios::binary)
      << std::string(1024, '\x55');
  Open();
  Maintain();
  const auto evicted = [this] {
    std::vector<Event> events = Read().losses;
    std::erase_if(events, [](const Event& event) { return event.kind == EventKind::kSalvageLoss; });
    return events;
  };
  while (evicted().empty()) Append(1, 1000);
  ASSERT_GT(spool_->head(), 2 * kBlock) << "the test is too short";
  // The salvaged records are another origin's, with a higher number.
  EXPECT_FALSE(evicted().front().spool_id.IsZero());
}

TEST_F(RetentionTest, WhatIsMissingStaysExplainedWhenTheEventThatSaysSoIsGone) {
  Open();
  Append(10);
  Sql(dir_ / "spool.db", "UPDATE records SET checksum = 0 WHERE id = " + Id(5));
  Idle(minutes(5));
  const RangeSet events = Read().events;
  ASSERT_EQ(Read().snapshots, RangeSet({{2, 4}, {6, 11}}));
  ASSERT_EQ(events.last(), 12U);
  // It is delivered, and what is around the gap is not.
  Acknowledge(12, 12);
  Idle(hours(26));
  ASSERT_FALSE(Read().events.Contains(Sequence{12}));
  ASSERT_EQ(Read().snapshots, RangeSet({{2, 4}, {6, 11}}));
  EXPECT_THAT(Status().missing, IsEmpty());
  spool_.reset();
  EXPECT_THAT(Verify(dir_ / "spool.db").findings, IsEmpty());
}

}  // namespace
}  // namespace doagent::spool
