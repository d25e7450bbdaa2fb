// What happens to a spool whose files are removed, replaced or written over while the agent runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>

#include "spool/forget.h"
#include "spool/set_aside.h"
#include "spool/spool.h"
#include "spool/sqlite.h"
#include "spool/verifier.h"
#include "tests/spool/damaged_spools.h"
#include "tests/spool/recovery_support.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {
namespace {

namespace fs = std::filesystem;
using test::FaultVfs;
using test::MakeSnapshot;
using test::ReadEverything;
using test::RecordName;
using test::TestSpoolOptions;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::SizeIs;

TEST_F(RecoveryTest, AFileThatIsRemovedWhileTheAgentRunsIsReplacedAndItsRecordsAreKept) {
  Write(Sample().database(), Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path().string() + suffix);
  const auto stored = spool->Append(MakeSnapshot(502));
  ASSERT_TRUE(stored) << stored.error().Message();
  EXPECT_NE(spool->spool_id(), Sample().spool_id());
  EXPECT_THAT(Reasons(EventKind::kIdentityChange), Contains(HasSubstr("removed or replaced")));
  EXPECT_THAT(spool->TakeNotices(), Contains(HasSubstr("removed or replaced")));
  Settle(*spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
  ExpectNoRiddles();
}

TEST_F(RecoveryTest, ADatabaseThatIsRemovedWithoutItsLogIsTakenOverOnce) {
  Write(Sample().database(), Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
  const auto before = spool->Stats().ledger;
  fs::remove(path());
  ASSERT_TRUE(spool->Append(MakeSnapshot(502)));
  Settle(*spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
  EXPECT_THAT(FilesSetAside(path()), IsEmpty());
  // What the events came to is not counted twice.
  for (const LedgerTotal& total : before) {
    if (!MeansLoss(total.kind)) continue;
    const auto after = spool->Stats().ledger;
    const auto same = std::find_if(after.begin(), after.end(), [&total](const LedgerTotal& one) {
      return one.kind == total.kind;
    });
    ASSERT_NE(same, after.end());
    EXPECT_EQ(same->records, total.records) << static_cast<int>(total.kind);
  }
  EXPECT_EQ(Reasons(EventKind::kSalvageLoss).size(), 1U);
}

TEST_F(RecoveryTest, WhatWasLostOnceIsCountedOnceHoweverOftenTheFileIsReplaced) {
  const Snapshot first = MakeSnapshot(1);
  const Event gap{EventKind::kGap, first.wall, first.mono, test::TestBootId(), "a test", {}, {}, 5};
  ASSERT_TRUE(Open()->Append(gap));
  // It stays beside those that follow.
  std::fstream(path(), std::ios::in | std::ios::out | std::ios::binary)
      << std::string(1024, '\x55');
  const auto spool = Open();
  ASSERT_TRUE(spool);
  Settle(*spool);
  for (std::uint64_t tick = 501; tick <= 503; ++tick) {
    std::uint64_t lost = 0;
    const auto status = *(*Reader::Open(path()))->Status();
    for (const auto& origin : status.origins) lost += origin.lost_records;
    EXPECT_EQ(lost, 5U) << "after " << tick - 501 << " removals";
    fs::remove(path());
    ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
    Settle(*spool);
  }
}

TEST_F(RecoveryTest, AFileThatFailsAndIsThenGoneIsReplacedToo) {
  // As when a disk breaks, is taken away, and comes back.
  FaultVfs vfs;
  Write(Sample().database(), Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  const SpoolId before = spool->spool_id();
  ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
  vfs.FailAt(FaultVfs::Call::kSync, 1, SQLITE_IOERR_FSYNC, 1'000'000);
  ASSERT_FALSE(spool->Append(MakeSnapshot(502)));
  ASSERT_FALSE(spool->Append(MakeSnapshot(503)));
  vfs.Heal();
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path().string() + suffix);
  ASSERT_TRUE(spool->Append(MakeSnapshot(504)));
  EXPECT_NE(spool->spool_id(), before);
  EXPECT_EQ(spool->waiting(), 0U);
  Settle(*spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
  ExpectNoRiddles();
}

TEST_F(RecoveryTest, TwoRemovalsInARowLoseNothing) {
  Write(Sample().database(), Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
  const auto remove = [this] {
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path().string() + suffix);
  };
  remove();
  ASSERT_TRUE(spool->Append(MakeSnapshot(502)));
  const RecordName second{spool->spool_id(), spool->head()};
  remove();
  ASSERT_TRUE(spool->Append(MakeSnapshot(503)));
  Settle(*spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
  EXPECT_THAT(ReadEverything(path()), Contains(Key(second)));
  ExpectNoRiddles();
}

TEST_F(RecoveryTest, WhatCameAgainAfterItWasForgottenIsKeptThoughTheOlderFileStillWaits) {
  const fs::path older = path().string() + ".damaged-19690101T000000Z";
  {
    const auto other = *Spool::Open(TestSpoolOptions(dir_ / "older.db", 9));
    const auto database = Database::Open(dir_ / "older.db", Database::Mode::kReadWrite);
    ASSERT_TRUE(MarkRemoved(**database, Sample().spool_id()));
  }
  fs::rename(dir_ / "older.db", older);
  Write(Sample().database(), Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path().string() + suffix);
  ASSERT_TRUE(spool->Append(MakeSnapshot(502)));
  Settle(*spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
}

TEST_F(RecoveryTest, WhatIsRemovedIsKeptThoughSomethingElseIsInItsPlace) {
  Write(Sample().database(), Sample().log());
  {
    const auto spool = Open();
    ASSERT_TRUE(spool);
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path().string() + suffix);
    fs::create_directory(path());
    EXPECT_FALSE(spool->Append(MakeSnapshot(501)));
    // At once: nobody knows how the agent will end.
    EXPECT_THAT(spool->TakeNotices(), Contains(HasSubstr("what was removed is kept as")));
    EXPECT_THAT(FilesSetAside(path()), SizeIs(1));
    EXPECT_FALSE(spool->holds_removed_file());
    EXPECT_FALSE(spool->Append(StopEvent()));
  }
  fs::remove(path());
  {
    const auto spool = Open();
    ASSERT_TRUE(spool);
    Settle(*spool);
  }
  EXPECT_EQ(Survivors(), Sample().records().size());
  ExpectNoRiddles();
}

TEST_F(RecoveryTest, WhoEndsWithoutAFolderSaysThatRecordsAreLost) {
  const fs::path folder = dir_ / "folder";
  fs::create_directory(folder);
  const auto spool = *Spool::Open(TestSpoolOptions(folder / "spool.db", 1));
  ASSERT_TRUE(spool->Append(MakeSnapshot(1)));
  EXPECT_FALSE(spool->holds_removed_file());
  fs::remove_all(folder);
  EXPECT_TRUE(spool->holds_removed_file());
  EXPECT_FALSE(spool->Append(StopEvent()));
  EXPECT_TRUE(spool->holds_removed_file());
  EXPECT_THAT(spool->TakeNotices(), Contains(HasSubstr("what was removed is lost if")));
}

TEST_F(RecoveryTest, AStopFirstTakesOverWhatNobodyElseCould) {
  Write(Sample().database(), Sample().log());
  {
    const auto spool = Open();
    ASSERT_TRUE(spool);
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path().string() + suffix);
    ASSERT_TRUE(spool->Append(MakeSnapshot(502)));
    ASSERT_TRUE(spool->Append(StopEvent()));
  }
  EXPECT_EQ(Survivors(), Sample().records().size());
  ExpectNoRiddles();
}

TEST_F(RecoveryTest, AStopRightAfterTheRemovalTakesOverToo) {
  Write(Sample().database(), Sample().log());
  {
    const auto spool = Open();
    ASSERT_TRUE(spool);
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path().string() + suffix);
    ASSERT_TRUE(spool->Append(StopEvent()));
  }
  EXPECT_EQ(Survivors(), Sample().records().size());
  ExpectNoRiddles();
}

TEST_F(RecoveryTest, AStopThatTakesOverEndsWhateverFails) {
  for (std::uint64_t nth = 1; nth <= 30; ++nth) {
    const test::TempDir dir(test::TempDir::Where::kMemory);
    const fs::path file = dir / "spool.db";
    FaultVfs vfs;
    auto spool = *Spool::Open(TestSpoolOptions(file, nth));
    ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
    Event gap = StopEvent();
    gap.kind = EventKind::kGap;
    gap.count = 5;
    ASSERT_TRUE(spool->Append(gap));
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(file.string() + suffix);
    ASSERT_TRUE(spool->Append(MakeSnapshot(502)));
    vfs.FailAt(FaultVfs::Call::kSync, nth, SQLITE_IOERR_FSYNC);
    (void)spool->Append(StopEvent());
    EXPECT_FALSE(spool->holds_removed_file());
    vfs.Heal();
    // Taken over already, or kept for the next start.
    spool.reset();
    spool = *Spool::Open(TestSpoolOptions(file, nth + 100));
    Settle(*spool);
    std::set<WallTime> snapshots;
    for (const auto& [name, record] : ReadEverything(file)) {
      if (std::holds_alternative<Snapshot>(record.content)) snapshots.insert(record.time);
    }
    EXPECT_EQ(snapshots.size(), 2U) << "sync " << nth;
    // Once, though the commit that took it over may have failed and be on the disk all the same.
    std::uint64_t lost = 0;
    const auto status = (*Reader::Open(file))->Status();
    for (const auto& origin : status->origins) lost += origin.lost_records;
    EXPECT_EQ(lost, 5U) << "sync " << nth;
  }
}

TEST_F(RecoveryTest, AFolderThatIsReplacedIsNoticedWithTheNextRecord) {
  fs::create_directory(dir_ / "folder");
  SpoolOptions options = TestSpoolOptions(dir_.path() / "folder" / "spool.db", 7);
  const auto spool = *Spool::Open(options);
  ASSERT_TRUE(spool->Append(MakeSnapshot(1)));
  const SpoolId before = spool->spool_id();
  fs::rename(dir_ / "folder", dir_ / "elsewhere");
  // Without a folder nothing can be stored: the record waits.
  EXPECT_FALSE(spool->Append(MakeSnapshot(2)));
  EXPECT_EQ(spool->waiting(), 1U);
  fs::create_directory(dir_ / "folder");
  const auto stored = spool->Append(MakeSnapshot(3));
  ASSERT_TRUE(stored) << stored.error().Message();
  EXPECT_EQ(spool->waiting(), 0U);
  EXPECT_NE(spool->spool_id(), before);
  Settle(*spool);
  const auto records = ReadEverything(options.path);
  EXPECT_THAT(records, Contains(Key(RecordName{before, 2})));
}

TEST_F(RecoveryTest, SomebodyElsesFileInItsPlaceIsLeftAloneAndRecordsWait) {
  const auto spool = Open();
  ASSERT_TRUE(spool);
  ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
  const SpoolId before = spool->spool_id();
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path().string() + suffix);
  std::ofstream(path()) << std::string(5000, 'x');
  const auto stored = spool->Append(MakeSnapshot(502));
  ASSERT_FALSE(stored);
  EXPECT_NE(stored.error().code, ErrorCode::kRefuse) << "the record is not what is refused";
  EXPECT_EQ(spool->waiting(), 1U);
  // The uploader may ask meanwhile.
  EXPECT_FALSE(spool->NextPending(before, {}, 1 << 20));
  EXPECT_FALSE(spool->Read(before, {1, 2}));
  EXPECT_FALSE(spool->Objects({ObjectId()}));
  fs::remove(path());
  ASSERT_TRUE(spool->Append(MakeSnapshot(503)));
  Settle(*spool);
  const auto records = ReadEverything(path());
  EXPECT_THAT(records, Contains(Key(RecordName{before, 2})));
  EXPECT_EQ(spool->waiting(), 0U);
}

TEST_F(RecoveryTest, WhatIsRefusedAfterItWaitedIsARejection) {
  const auto spool = Open();
  ASSERT_TRUE(spool);
  fs::rename(path(), dir_ / "elsewhere");
  std::ofstream(path()) << std::string(5000, 'x');
  Snapshot large = MakeSnapshot(501);
  large.sections = {
      test::MakeSection(test::MakeSchema("large", static_cast<int>(kSeriesMax) + 1), 1)};
  ASSERT_FALSE(spool->Append(large));
  fs::remove(path());
  ASSERT_TRUE(spool->Append(MakeSnapshot(502)));
  EXPECT_EQ(spool->waiting(), 0U);
  EXPECT_THAT(Reasons(EventKind::kRejection),
              testing::ElementsAre(HasSubstr("more than a record takes")));
  EXPECT_THAT(Reasons(EventKind::kGap), IsEmpty());
}

TEST_F(RecoveryTest, AfterAnotherWriterTheNumbersAreANewIncarnations) {
  const auto first = Open();
  ASSERT_TRUE(first);
  ASSERT_TRUE(first->Append(MakeSnapshot(501)));
  fs::remove(path().string() + ".lock");
  {
    const auto second = Open();
    ASSERT_TRUE(second);
    ASSERT_TRUE(second->Append(MakeSnapshot(502)));
    EXPECT_FALSE(first->Append(MakeSnapshot(503)));
  }
  ASSERT_TRUE(first->Append(MakeSnapshot(504)));
  std::size_t snapshots = 0;
  for (const auto& [name, record] : ReadEverything(path())) {
    snapshots += std::holds_alternative<Snapshot>(record.content);
  }
  EXPECT_EQ(snapshots, 4U);
  const auto verified = VerifySpool(
      path(),
      {[](const Finding& finding) { ADD_FAILURE() << finding.place << ": " << finding.what; },
       [](const OriginSummary&) {}, nullptr});
  EXPECT_TRUE(verified);
}

TEST_F(RecoveryTest, AnotherSpoolInItsPlaceIsGoneOnWithUnderANewId) {
  Write(Sample().database(), Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  const test::TempDir other(test::TempDir::Where::kMemory);
  test::SampleSpool::Write(other.path(), Sample().database(), Sample().log());
  for (const char* suffix : {"-shm", "-wal", ""}) fs::remove(path().string() + suffix);
  fs::copy_file(other / "spool.db", path());
  fs::copy_file(other / "spool.db-wal", log());
  ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
  EXPECT_NE(spool->spool_id(), Sample().spool_id());
  Settle(*spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
}

TEST_F(RecoveryTest, ALogThatIsRemovedWhileTheAgentRunsLosesNothing) {
  Write(Sample().database(), Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  fs::remove(log());
  ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
  EXPECT_EQ(spool->spool_id(), Sample().spool_id());
  EXPECT_EQ(Survivors(), Sample().records().size());
  EXPECT_TRUE(fs::exists(log()));
}

TEST_F(RecoveryTest, WhatIsWrittenOverWhileTheAgentRunsIsReplaced) {
  Write(Sample().database(), Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file << std::string(Sample().database().size() / 2, '\x55');
    std::fstream log_file(log(), std::ios::in | std::ios::out | std::ios::binary);
    log_file << std::string(100'000, '\x55');
  }
  const fs::path shm = path().string() + "-shm";
  std::fstream(shm, std::ios::in | std::ios::out | std::ios::binary) << std::string(4096, '\x55');
  for (std::uint64_t tick = 501; tick < 520; ++tick) {
    const auto stored = spool->Append(MakeSnapshot(tick));
    ASSERT_TRUE(stored) << tick << ": " << stored.error().Message();
    (void)spool->Maintain(MakeSnapshot(tick).wall, MakeSnapshot(tick).mono);
  }
  Settle(*spool);
  std::size_t newer = 0;
  for (const auto& [name, record] : ReadEverything(path())) {
    newer +=
        std::holds_alternative<Snapshot>(record.content) && record.time >= MakeSnapshot(501).wall;
  }
  EXPECT_EQ(newer, 19U);
}

}  // namespace
}  // namespace doagent::spool
