// What happens to a spool that finds no space, a lock held or a commit failed: records wait, and
// collection goes on.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "spool/request.h"
#include "spool/spool.h"
#include "spool/sqlite.h"
#include "tests/spool/damaged_spools.h"
#include "tests/spool/recovery_support.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/snapshots.h"

namespace doagent::spool {
namespace {

namespace fs = std::filesystem;
using test::FaultVfs;
using test::MakeSnapshot;
using test::ReadEverything;
using test::TestSpoolOptions;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(RecoveryTest, AStartOnAFullDiskWaitsForSpace) {
  FaultVfs vfs;
  vfs.FailAt(FaultVfs::Call::kWrite, 1, SQLITE_FULL, 1'000'000);
  const auto spool = Open();
  ASSERT_TRUE(spool);
  EXPECT_THAT(spool->TakeNotices(), Contains(HasSubstr("wait in memory")));
  const auto stored = spool->Append(MakeSnapshot(501));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, ErrorCode::kEvict);
  EXPECT_FALSE(spool->Maintain(MakeSnapshot(501).wall, MakeSnapshot(501).mono));
  EXPECT_EQ(spool->waiting(), 1U);
  // There is nothing to be offered yet, not even a name.
  EXPECT_TRUE(spool->spool_id().IsZero());
  EXPECT_FALSE(spool->Claims());
  EXPECT_EQ(spool->Stats().waiting_records, 1U);

  vfs.Heal();
  const auto next = spool->Append(MakeSnapshot(502));
  ASSERT_TRUE(next) << next.error().Message();
  EXPECT_EQ(*next, 3U) << "behind the start event and the one that waited";
  EXPECT_EQ(spool->waiting(), 0U);
  EXPECT_EQ(spool->Claims()->size(), 1U);
  EXPECT_THAT(Reasons(EventKind::kStart), SizeIs(1));
}

TEST_F(RecoveryTest, AStartThatCannotMakeTheSharedMemoryWaitsForSpace) {
  {
    const auto spool = Open();
    ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
  }
  FaultVfs vfs;
  vfs.FailAt(FaultVfs::Call::kShm, 1, SQLITE_IOERR_SHMSIZE, 1'000'000, ENOSPC);
  const auto spool = Open();
  ASSERT_TRUE(spool);
  EXPECT_THAT(spool->TakeNotices(), Contains(HasSubstr("No space left on device")));
  EXPECT_FALSE(spool->Append(MakeSnapshot(502)));
  // Whoever wants to look finds what there is.
  EXPECT_THAT(Reasons(EventKind::kStart), SizeIs(1));
  vfs.Heal();
  ASSERT_TRUE(spool->Append(MakeSnapshot(503)));
  EXPECT_EQ(spool->waiting(), 0U);
  EXPECT_EQ(ReadEverything(path()).size(), 5U) << "two start events, three snapshots";
}

TEST_F(RecoveryTest, AQuotaIsAFullDisk) {
  FaultVfs vfs;
  const auto spool = Open();
  ASSERT_TRUE(spool);
  vfs.FailAt(FaultVfs::Call::kWrite, 1, SQLITE_IOERR_WRITE, 1'000'000, EDQUOT);
  const auto stored = spool->Append(MakeSnapshot(501));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, ErrorCode::kEvict) << stored.error().Message();
  vfs.Heal();
  ASSERT_TRUE(spool->Append(MakeSnapshot(502)));
  EXPECT_EQ(ReadEverything(path()).size(), 3U);
}

TEST_F(RecoveryTest, WhoKeepsTheLogFromBeingEmptiedIsReported) {
  Write(Sample().database(), "");
  const auto spool = Open();
  ASSERT_TRUE(spool);
  {
    auto reader = Database::Open(path(), Database::Mode::kReadOnly);
    ASSERT_TRUE(reader);
    auto statement = (*reader)->Prepare("SELECT count(*) FROM records");
    auto pinned = Transaction::Begin(**reader, Transaction::Kind::kRead);
    ASSERT_TRUE(statement->Step());
    for (std::uint64_t tick = 501; fs::file_size(log()) < (9U << 20); ++tick) {
      ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
      ASSERT_LT(tick, 20'000U);
    }
    Settle(*spool);
    EXPECT_THAT(spool->TakeNotices(), Contains(HasSubstr("another process keeps reading")));
    statement->Reset();
  }
}

TEST_F(RecoveryTest, WhatFailedTwiceInDifferentWaysIsNotTakenForStored) {
  FaultVfs vfs;
  SpoolOptions options = TestSpoolOptions(path(), ++seed_);
  options.local = false;
  options.seal.snapshots = 16;
  {
    const auto spool = *Spool::Open(options);
    const auto wide = test::MakeSchema("wide", 1000);
    for (std::uint64_t tick = 1; tick <= 400; ++tick) {
      Snapshot snapshot = MakeSnapshot(tick);
      snapshot.sections = {test::MakeSection(wide, tick)};
      ASSERT_TRUE(spool->Append(snapshot));
      ASSERT_TRUE(spool->Maintain(snapshot.wall, snapshot.mono));
    }
  }
  options.retention.bytes_max = 1 << 20;
  options.random = TestSpoolOptions(path(), ++seed_).random;
  const auto spool = *Spool::Open(options);
  vfs.FailAt(FaultVfs::Call::kWrite, 1, SQLITE_IOERR_WRITE);
  ASSERT_FALSE(spool->Append(MakeSnapshot(501)));
  spool->SealBacklog();  // opens the file again
  // The record fails once more, for another reason, and then an event takes its sequence.
  const Sequence head = spool->head();
  vfs.FailAt(FaultVfs::Call::kWrite, 1, SQLITE_FULL, 1);  // again without the reserve
  const auto maintained = spool->Maintain(MakeSnapshot(501).wall, MakeSnapshot(501).mono);
  ASSERT_TRUE(maintained) << maintained.error().Message();
  ASSERT_GT(spool->head(), head) << "nothing was removed";
  EXPECT_EQ(spool->waiting(), 1U);
  vfs.Heal();
  ASSERT_TRUE(spool->Append(MakeSnapshot(502)));
  const auto records = ReadEverything(path());
  const auto waited = std::count_if(records.begin(), records.end(), [](const auto& named) {
    return named.second.time == MakeSnapshot(501).wall &&
           std::holds_alternative<Snapshot>(named.second.content);
  });
  EXPECT_EQ(waited, 1);
}

TEST_F(RecoveryTest, WhatWasDroppedIsCountedOnceWhateverFails) {
  for (std::uint64_t nth = 1; nth <= 12; ++nth) {
    const test::TempDir dir(test::TempDir::Where::kMemory);
    FaultVfs vfs;
    const auto spool = *Spool::Open(TestSpoolOptions(dir / "spool.db", nth));
    // One whose commit fails, but is on the disk; then more than memory holds.
    vfs.FailAt(FaultVfs::Call::kSync, 1, SQLITE_IOERR_FSYNC, 1'000'000);
    std::uint64_t tick = 0;
    for (; tick < 700; ++tick) ASSERT_FALSE(spool->Append(MakeSnapshot(tick + 1)));
    vfs.FailAt(FaultVfs::Call::kSync, nth, SQLITE_IOERR_FSYNC);
    for (; tick < 704; ++tick) (void)spool->Append(MakeSnapshot(tick + 1));
    ASSERT_EQ(spool->waiting(), 0U);
    std::uint64_t stored = 0;
    std::uint64_t dropped = 0;
    std::set<WallTime> different;
    for (const auto& [name, record] : ReadEverything(dir / "spool.db")) {
      if (const auto* event = std::get_if<Event>(&record.content)) {
        dropped += event->kind == EventKind::kGap ? event->count : 0;
      } else {
        ++stored;
        different.insert(record.time);
      }
    }
    EXPECT_EQ(stored + dropped, tick) << "sync " << nth;
    EXPECT_EQ(different.size(), stored);
  }
}

TEST_F(RecoveryTest, WhatIsBeingForgottenDoesNotComeBackWhenTheFileIsOpenedAgain) {
  FaultVfs vfs;
  std::string database = Sample().database();
  std::fill(database.begin(), database.begin() + 1024, '\xff');
  Write(database, Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  Settle(*spool);
  ASSERT_TRUE(RequestForget(path(), *PlanToForget(path(), Sample().spool_id(), std::nullopt)));
  ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
  ASSERT_TRUE(spool->Maintain(MakeSnapshot(501).wall, MakeSnapshot(501).mono));
  ASSERT_THAT(*spool->Claims(), SizeIs(1));
  vfs.FailAt(FaultVfs::Call::kSync, 1, SQLITE_IOERR_FSYNC);
  ASSERT_FALSE(spool->Append(MakeSnapshot(502)));
  ASSERT_TRUE(spool->Append(MakeSnapshot(503)));
  EXPECT_THAT(*spool->Claims(), SizeIs(1));
  Settle(*spool);
  EXPECT_THAT(*spool->Claims(), SizeIs(1));
  EXPECT_EQ(Survivors(), 0U);
}

TEST_F(RecoveryTest, WhoKeepsReadingDoesNotKeepAFailedCommitFromBeingMadeGood) {
  FaultVfs vfs;
  Write(Sample().database(), Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
  auto reader = Database::Open(path(), Database::Mode::kReadOnly);
  ASSERT_TRUE(reader);
  {
    auto pinned = Transaction::Begin(**reader, Transaction::Kind::kRead);
    ASSERT_TRUE(pinned);
    ASSERT_TRUE((*reader)->QueryInteger("SELECT count(*) FROM records"));
    vfs.FailAt(FaultVfs::Call::kSync, 1, SQLITE_IOERR_FSYNC);
    ASSERT_FALSE(spool->Append(MakeSnapshot(502)));
    const auto stored = spool->Append(MakeSnapshot(503));
    ASSERT_TRUE(stored) << stored.error().Message();
    EXPECT_EQ(spool->waiting(), 0U);
  }
  Settle(*spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
  ExpectNoRiddles();
}

TEST_F(RecoveryTest, WhoHasTheDatabaseLockedHoldsUpNothing) {
  const auto spool = Open();
  ASSERT_TRUE(spool);
  ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
  auto other = Database::Open(path(), Database::Mode::kReadWrite);
  ASSERT_TRUE(other);
  {
    auto locked = Transaction::Begin(**other, Transaction::Kind::kWrite);
    ASSERT_TRUE(locked);
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t tick = 502; tick < 507; ++tick) {
      const auto stored = spool->Append(MakeSnapshot(tick));
      ASSERT_FALSE(stored);
      EXPECT_EQ(stored.error().code, ErrorCode::kBusy);
    }
    // Who is polite to others waits five seconds each time.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
    EXPECT_EQ(spool->waiting(), 5U);
  }
  const auto stored = spool->Append(MakeSnapshot(507));
  ASSERT_TRUE(stored) << stored.error().Message();
  EXPECT_EQ(*stored, 8U) << "behind the start event and six snapshots";
  EXPECT_THAT(Reasons(EventKind::kStart), SizeIs(1));
}

TEST_F(RecoveryTest, AStartWhileTheDatabaseIsLockedWaits) {
  ASSERT_TRUE(Open());
  auto other = Database::Open(path(), Database::Mode::kReadWrite);
  ASSERT_TRUE(other);
  std::unique_ptr<Spool> spool;
  {
    auto locked = Transaction::Begin(**other, Transaction::Kind::kWrite);
    ASSERT_TRUE(locked);
    spool = Open();
    ASSERT_TRUE(spool);
    EXPECT_THAT(spool->TakeNotices(), Contains(HasSubstr("locked")));
    EXPECT_FALSE(spool->Append(MakeSnapshot(501)));
  }
  EXPECT_TRUE(spool->Append(MakeSnapshot(502)));
  EXPECT_EQ(spool->waiting(), 0U);
  EXPECT_THAT(Reasons(EventKind::kStart), SizeIs(2));
}

}  // namespace
}  // namespace doagent::spool
