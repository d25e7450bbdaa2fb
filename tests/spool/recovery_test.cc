// What happens to a spool whose files are damaged, removed, replaced or copied: docs/operations.md,
// "When something goes wrong".

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "spool/inbox.h"
#include "spool/layout.h"
#include "spool/reader.h"
#include "spool/request.h"
#include "spool/salvage_file.h"
#include "spool/set_aside.h"
#include "spool/spool.h"
#include "spool/sqlite.h"
#include "spool/verifier.h"
#include "tests/spool/damaged_spools.h"
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
using test::SampleSpool;
using test::TempDir;
using test::TestHost;
using test::TestSpoolOptions;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::SizeIs;

const SampleSpool& Sample() {
  static const SampleSpool sample;
  return sample;
}

class RecoveryTest : public ::testing::Test {
 protected:
  fs::path path() const { return dir_ / "spool.db"; }
  fs::path log() const { return path().string() + "-wal"; }

  void Write(const std::string& database, const std::string& log) const {
    SampleSpool::Write(dir_.path(), database, log);
  }

  std::unique_ptr<Spool> Open() {
    SpoolOptions options = TestSpoolOptions(path(), ++seed_);
    options.wall = MakeSnapshot(500).wall;
    options.mono = MakeSnapshot(500).mono;
    auto spool = Spool::Open(options);
    EXPECT_TRUE(spool) << spool.error().Message();
    return spool ? *std::move(spool) : nullptr;
  }

  static void Settle(Spool& spool) {
    for (int idle = 0; idle < 40;) {
      const auto more = spool.Maintain(MakeSnapshot(600).wall, MakeSnapshot(600).mono);
      ASSERT_TRUE(more) << more.error().Message();
      if (!*more) ++idle;
    }
  }

  // The reasons of the events of one kind, of all origins.
  std::vector<std::string> Reasons(EventKind kind) const {
    std::vector<std::string> reasons;
    for (const auto& [name, record] : ReadEverything(path())) {
      const auto* event = std::get_if<Event>(&record.content);
      if (event != nullptr && event->kind == kind) reasons.push_back(event->reason);
    }
    return reasons;
  }

  // How many of the sample's records are there, as they were.
  std::size_t Survivors() const {
    std::size_t survivors = 0;
    for (const auto& [name, record] : ReadEverything(path())) {
      const auto original = Sample().records().find(name);
      if (original != Sample().records().end() && test::SameContent(record, original->second)) {
        ++survivors;
      }
    }
    return survivors;
  }

  // Nothing is missing that nothing explains.
  void ExpectNoRiddles() const {
    const auto status = (*Reader::Open(path()))->Status();
    ASSERT_TRUE(status);
    for (const auto& origin : status->origins) EXPECT_THAT(origin.missing, IsEmpty());
  }

  const TempDir dir_{TempDir::Where::kMemory};
  std::uint64_t seed_ = 100;
};

TEST_F(RecoveryTest, ADatabaseOfZerosIsSetAsideAndItsLogIsSalvaged) {
  Write(std::string(Sample().database().size(), '\0'), Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  EXPECT_NE(spool->spool_id(), Sample().spool_id());
  EXPECT_THAT(FilesSetAside(path()), SizeIs(1));
  ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
  Settle(*spool);
  // What came after the last checkpoint is in the log; the key of the rows before is not.
  EXPECT_GT(Survivors(), 60U);
  EXPECT_THAT(Reasons(EventKind::kIdentityChange), Contains(HasSubstr("was damaged")));
  EXPECT_THAT(Reasons(EventKind::kSalvageLoss), Contains(HasSubstr("records were taken over")));
  ExpectNoRiddles();
}

TEST_F(RecoveryTest, AFirstPageThatIsGoneCostsNoRecord) {
  std::string database = Sample().database();
  std::fill(database.begin(), database.begin() + 1024, '\xff');
  Write(database, Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  Settle(*spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
  ExpectNoRiddles();
  // Under their old name, to be delivered.
  const auto claims = spool->Claims();
  ASSERT_TRUE(claims);
  ASSERT_THAT(*claims, SizeIs(2));
  EXPECT_TRUE((*claims)[0].current);
  EXPECT_EQ((*claims)[1].spool_id, Sample().spool_id());
  EXPECT_EQ((*claims)[1].head, Sample().records().rbegin()->first.second);
  EXPECT_EQ((*claims)[1].incarnations.size(), 2U);
  EXPECT_EQ((*claims)[1].host, TestHost());
}

TEST_F(RecoveryTest, ASalvageThatWasCutOffIsTakenUpAgain) {
  std::string database = Sample().database();
  std::fill(database.begin(), database.begin() + 1024, '\xff');
  Write(database, Sample().log());
  {
    const auto spool = Open();
    ASSERT_TRUE(spool);
    for (int step = 0; step < 3; ++step) {
      ASSERT_TRUE(spool->Maintain(MakeSnapshot(501).wall, MakeSnapshot(501).mono));
    }
  }
  EXPECT_LT(Survivors(), Sample().records().size());
  const auto spool = Open();
  Settle(*spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
  EXPECT_THAT(Reasons(EventKind::kSalvageLoss), SizeIs(1));
}

TEST_F(RecoveryTest, AFlippedBitInTheMiddleOfTheLogCostsNoCommitBehindIt) {
  std::string log = Sample().log();
  log[log.size() / 2] = static_cast<char>(log[log.size() / 2] ^ 4);
  Write(Sample().database(), log);
  const auto spool = Open();
  ASSERT_TRUE(spool);
  EXPECT_EQ(spool->spool_id(), Sample().spool_id());
  // Before anything new: no number is used twice.
  EXPECT_GT(spool->head(), Sample().records().rbegin()->first.second);
  EXPECT_GE(Survivors(), Sample().records().size() - 1);
  EXPECT_THAT(FilesSetAside(path()), SizeIs(1));
  EXPECT_THAT(Reasons(EventKind::kSalvageLoss), Contains(HasSubstr("records were taken over")));
  Settle(*spool);
  ExpectNoRiddles();
}

TEST_F(RecoveryTest, ALogWithoutItsHeaderIsReadAllTheSame) {
  std::string log = Sample().log();
  std::fill(log.begin(), log.begin() + 32, '\0');
  Write(Sample().database(), log);
  const auto spool = Open();
  ASSERT_TRUE(spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
}

TEST_F(RecoveryTest, AnIntactLogIsNotTakenForADamagedOne) {
  Write(Sample().database(), Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
  EXPECT_THAT(FilesSetAside(path()), IsEmpty());
}

TEST_F(RecoveryTest, AnInterruptedRenamingIsFinished) {
  const fs::path aside = path().string() + ".damaged-20231114T221320Z";
  Write(Sample().database(), Sample().log());
  fs::rename(path(), aside);
  const auto spool = Open();
  ASSERT_TRUE(spool);
  EXPECT_TRUE(fs::exists(aside.string() + "-wal"));
  Settle(*spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
}

TEST_F(RecoveryTest, ALogWhoseDatabaseWasRemovedIsKept) {
  Write(Sample().database(), Sample().log());
  fs::remove(path());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  ASSERT_THAT(FilesSetAside(path()), SizeIs(1));
  Settle(*spool);
  EXPECT_GT(Survivors(), 60U);
}

TEST_F(RecoveryTest, ADatabaseCutToNothingLeavesItsLog) {
  Write("", Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  Settle(*spool);
  EXPECT_GT(Survivors(), 60U);
}

TEST_F(RecoveryTest, ADamagedSharedMemoryFileDoesNotMatter) {
  Write(Sample().database(), Sample().log());
  std::ofstream(path().string() + "-shm", std::ios::binary) << std::string(32768, '\x5a');
  const auto spool = Open();
  ASSERT_TRUE(spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
}

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

TEST_F(RecoveryTest, AStopFirstTakesOverWhatNobodyElseCould) {
  Write(Sample().database(), Sample().log());
  {
    const auto spool = Open();
    ASSERT_TRUE(spool);
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path().string() + suffix);
    ASSERT_TRUE(spool->Append(MakeSnapshot(502)));
    Event stop;
    stop.kind = EventKind::kStop;
    stop.wall = MakeSnapshot(503).wall;
    stop.mono = MakeSnapshot(503).mono;
    ASSERT_TRUE(spool->Append(stop));
  }
  EXPECT_EQ(Survivors(), Sample().records().size());
  ExpectNoRiddles();
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

TEST_F(RecoveryTest, TwoHistoriesUnderOneNameAreBothKept) {
  const auto run = [this](const fs::path& file, std::uint64_t first, std::uint64_t last) {
    SpoolOptions options = TestSpoolOptions(file, ++seed_);
    options.seal.snapshots = 4;
    const auto spool = *Spool::Open(options);
    for (std::uint64_t tick = first; tick <= last; ++tick) {
      ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
      ASSERT_TRUE(spool->Maintain(MakeSnapshot(tick).wall, MakeSnapshot(tick).mono));
    }
  };
  const fs::path original = dir_ / "original";
  run(original, 1, 10);
  fs::copy_file(original, path());
  run(original, 11, 21);
  run(path(), 31, 46);
  // Both are damaged, and taken over by one agent, one after the other.
  fs::rename(original, path().string() + ".damaged-20200101T000000Z");
  fs::rename(path(), path().string() + ".damaged-20200102T000000Z");
  const auto spool = Open();
  ASSERT_TRUE(spool);
  Settle(*spool);
  std::vector<WallTime> taken;
  for (const auto& [name, record] : ReadEverything(path())) {
    if (std::holds_alternative<Snapshot>(record.content)) taken.push_back(record.time);
  }
  std::sort(taken.begin(), taken.end());
  std::vector<WallTime> expected;
  for (std::uint64_t tick = 1; tick <= 46; ++tick) {
    if (tick <= 21 || tick >= 31) expected.push_back(MakeSnapshot(tick).wall);
  }
  EXPECT_EQ(taken, expected);
  ExpectNoRiddles();
}

TEST_F(RecoveryTest, WhatIsForgottenIsNotSalvagedAgain) {
  std::string database = Sample().database();
  std::fill(database.begin(), database.begin() + 1024, '\xff');
  Write(database, Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  while (Survivors() == 0) {
    ASSERT_TRUE(spool->Maintain(MakeSnapshot(501).wall, MakeSnapshot(501).mono));
  }
  ASSERT_LT(Survivors(), Sample().records().size());
  const auto plan = PlanToForget(path(), Sample().spool_id(), std::nullopt);
  ASSERT_TRUE(plan) << plan.error().Message();
  ASSERT_TRUE(RequestForget(path(), *plan));
  ASSERT_TRUE(spool->Append(MakeSnapshot(502)));
  Settle(*spool);
  EXPECT_EQ(Survivors(), 0U);
  EXPECT_EQ(spool->Claims()->size(), 1U);
  const auto reading = *OpenForReading(path());
  EXPECT_EQ(reading->QueryInteger("SELECT count(*) FROM records WHERE id >> 40 NOT IN "
                                  "(SELECT number FROM origins)"),
            0);
  EXPECT_EQ(reading->QueryInteger("SELECT value FROM meta WHERE name = 'origins_max'"), 2);
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

TEST_F(RecoveryTest, AFileWhoseLogIsUsedAgainIsReadInItsPresentRun) {
  Write(Sample().database(), "");
  fs::path copy = dir_ / "copy.db";
  std::size_t records = 0;
  {
    const auto spool = Open();
    ASSERT_TRUE(spool);
    // Until the log has been used from its beginning again, at least once.
    for (std::uint64_t tick = 501; tick < 1200; ++tick) {
      ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
      ASSERT_TRUE(spool->Maintain(MakeSnapshot(tick).wall, MakeSnapshot(tick).mono));
    }
    records = ReadEverything(path()).size();
    fs::copy_file(path(), copy);
    fs::copy_file(log(), copy.string() + "-wal");
  }
  std::fstream(copy, std::ios::in | std::ios::out | std::ios::binary) << std::string(1024, '\x55');
  const auto salvaged = SalvageFile(copy, dir_ / "saved.db", MakeSnapshot(1300).wall, nullptr);
  ASSERT_TRUE(salvaged) << salvaged.error().Message();
  EXPECT_EQ(salvaged->records, records);
  EXPECT_THAT(salvaged->losses, IsEmpty());
}

TEST_F(RecoveryTest, AnotherSpoolInItsPlaceIsGoneOnWithUnderANewId) {
  Write(Sample().database(), Sample().log());
  const auto spool = Open();
  ASSERT_TRUE(spool);
  const TempDir other(TempDir::Where::kMemory);
  SampleSpool::Write(other.path(), Sample().database(), Sample().log());
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
    for (std::uint64_t tick = 1; tick <= 400; ++tick) {
      Snapshot snapshot = MakeSnapshot(tick);
      snapshot.sections = {test::MakeSection(test::MakeSchema("wide", 1000), tick)};
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

TEST_F(RecoveryTest, ADamagedLogThatIsTakenOverWhenTheDiskFailsIsTakenUpAgain) {
  std::string log = Sample().log();
  log[log.size() / 2] = static_cast<char>(log[log.size() / 2] ^ 4);
  std::uint64_t failed = 0;
  for (bool untouched = false; !untouched; failed += 3) {
    for (const fs::path& aside : FilesSetAside(path())) RemoveSetAside(aside);
    Write(Sample().database(), log);
    FaultVfs vfs;
    vfs.FailAt(FaultVfs::Call::kWrite, failed + 1, SQLITE_IOERR_WRITE, 1'000'000);
    SpoolOptions options = TestSpoolOptions(path(), ++seed_);
    untouched = Spool::Open(options).has_value();
    vfs.Heal();
    const auto spool = Open();
    ASSERT_TRUE(spool);
    Settle(*spool);
    EXPECT_GE(Survivors(), Sample().records().size() - 1) << "after " << failed << " writes";
    ExpectNoRiddles();
  }
  EXPECT_GT(failed, 60U);
}

TEST_F(RecoveryTest, ADamagedLogIsCopiedOnceHoweverOftenTheOpeningIsTried) {
  std::string log = Sample().log();
  log[log.size() / 2] = static_cast<char>(log[log.size() / 2] ^ 4);
  Write(Sample().database(), log);
  auto other = Database::Open(path(), Database::Mode::kReadWrite);
  ASSERT_TRUE(other);
  (*other)->LeaveLogAtClose(true);
  std::unique_ptr<Spool> spool;
  {
    auto locked = Transaction::Begin(**other, Transaction::Kind::kWrite);
    ASSERT_TRUE(locked);
    spool = Open();
    ASSERT_TRUE(spool);
    EXPECT_FALSE(spool->Append(MakeSnapshot(501)));
    EXPECT_FALSE(spool->Append(MakeSnapshot(502)));
  }
  ASSERT_TRUE(spool->Append(MakeSnapshot(503)));
  EXPECT_THAT(FilesSetAside(path()), SizeIs(1));
  EXPECT_GE(Survivors(), Sample().records().size() - 1);
  Settle(*spool);
  ExpectNoRiddles();
}

TEST_F(RecoveryTest, ADamagedRecordIsSetAsideAndTheLedgerSaysSo) {
  Write(Sample().database(), Sample().log());
  { const auto spool = Open(); }
  std::string database;
  {
    std::ifstream file(path(), std::ios::binary);
    database.assign(std::istreambuf_iterator<char>(file), {});
  }
  // In the reason of an event.
  const std::size_t at = database.rfind("late");
  ASSERT_NE(at, std::string::npos);
  database[at] = 'L';
  Write(database, "");
  const auto spool = Open();
  Settle(*spool);
  EXPECT_EQ(Survivors(), Sample().records().size() - 1);
  EXPECT_THAT(Reasons(EventKind::kSalvageLoss), Contains(HasSubstr("checksum")));
  EXPECT_THAT(FilesSetAside(path()), IsEmpty());
  ExpectNoRiddles();
}

// A receiver with 31 records of one agent.
class ReceiverRecoveryTest : public RecoveryTest {
 protected:
  ReceiverRecoveryTest() {
    const auto source = *Spool::Open(TestSpoolOptions(dir_ / "agent.db", 3));
    for (std::uint64_t tick = 1; tick <= 30; ++tick) {
      EXPECT_TRUE(source->Append(MakeSnapshot(tick)));
    }
    claim_ = source->Claims()->front();
    batch_.spool_id = claim_.spool_id;
    batch_.records = (*source->NextPending(claim_.spool_id, {}, 1 << 20)).records;
    std::vector<ObjectId> keys;
    for (const auto& record : batch_.records) {
      if (record.kind == RecordKind::kRow) keys.push_back(record.key);
    }
    batch_.objects = *source->Objects(keys);
    inbox_ = OpenInbox();
    EXPECT_TRUE(inbox_->Register({"agent", false}, claim_));
    const auto outcome = inbox_->Store({batch_}, MakeSnapshot(31).wall);
    EXPECT_TRUE(outcome);
    EXPECT_EQ(outcome->front().stored.count(), 31U);
  }

  std::unique_ptr<Inbox> OpenInbox() {
    auto inbox = Inbox::Open({inbox_path_, "test", [this] { return ++seed_; }});
    EXPECT_TRUE(inbox) << inbox.error().Message();
    return inbox ? *std::move(inbox) : nullptr;
  }

  void DamageInbox() const {
    std::fstream(inbox_path_, std::ios::in | std::ios::out | std::ios::binary)
        << std::string(1024, '\x55');
  }

  void ExpectEverythingThere() {
    for (int step = 0; step < 100; ++step) {
      ASSERT_TRUE(inbox_->Maintain(MakeSnapshot(40).wall, MakeSnapshot(40).mono));
    }
    const auto status = (*Reader::Open(inbox_path_))->Status();
    ASSERT_TRUE(status);
    ASSERT_THAT(status->origins, SizeIs(1));
    EXPECT_EQ(status->origins[0].spool_id, claim_.spool_id);
    EXPECT_EQ(status->origins[0].last_sequence, 31U);
    EXPECT_THAT(status->origins[0].missing, IsEmpty());
    Claim claim = claim_;
    claim.first_pending = 1;
    const auto registered = inbox_->Register({"agent", false}, claim);
    ASSERT_TRUE(registered);
    EXPECT_EQ(registered->stored.count(), 31U);
  }

  const fs::path inbox_path_ = dir_ / "inbox.db";
  Claim claim_;
  IncomingBatch batch_;
  std::unique_ptr<Inbox> inbox_;
};

TEST_F(ReceiverRecoveryTest, ADamagedFileIsSalvaged) {
  const ReceiverId id = inbox_->receiver_id();
  inbox_.reset();
  DamageInbox();
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_);
  EXPECT_THAT(inbox_->replaced(), HasSubstr("damaged"));
  EXPECT_EQ(inbox_->receiver_id(), id);
  ExpectEverythingThere();
}

TEST_F(ReceiverRecoveryTest, WhatIsLostCountsAsNeverStored) {
  inbox_.reset();
  DamageInbox();
  {
    // A row in the middle of its table, in whatever page it is.
    std::fstream file(inbox_path_, std::ios::in | std::ios::out | std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const std::string& payload = batch_.records[10].payload;
    const auto at = bytes.find(payload);
    ASSERT_NE(at, std::string::npos);
    file.clear();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(payload[0] ^ 1));
  }
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_);
  for (int step = 0; step < 100; ++step) {
    ASSERT_TRUE(inbox_->Maintain(MakeSnapshot(40).wall, MakeSnapshot(40).mono));
  }
  Claim claim = claim_;
  claim.first_pending = 1;
  const auto registered = inbox_->Register({"agent", false}, claim);
  ASSERT_TRUE(registered);
  EXPECT_EQ(registered->stored.count(), 30U);
  EXPECT_FALSE(registered->stored.Contains(11));
  const auto status = (*Reader::Open(inbox_path_))->Status();
  EXPECT_EQ(status->origins[0].lost_records, 1U);
  // The agent still has it.
  const auto again = inbox_->Store({batch_}, MakeSnapshot(41).wall);
  ASSERT_TRUE(again) << again.error().Message();
  EXPECT_EQ(again->front().stored.count(), 31U);
  EXPECT_THAT((*Reader::Open(inbox_path_))->Status()->origins[0].missing, IsEmpty());
}

TEST_F(ReceiverRecoveryTest, AFailedCommitIsMadeGoodByTheNextCall) {
  FaultVfs vfs;
  inbox_.reset();
  inbox_ = OpenInbox();
  const ReceiverId id = inbox_->receiver_id();
  ASSERT_TRUE(inbox_->Register({"agent", false}, claim_));
  Claim other = claim_;
  other.spool_id = *SpoolId::FromHex(std::string(32, 'b'));
  vfs.FailAt(FaultVfs::Call::kSync, 1, SQLITE_IOERR_FSYNC);
  EXPECT_FALSE(inbox_->Register({"agent", false}, other));
  IncomingBatch theirs = batch_;
  theirs.spool_id = other.spool_id;
  ASSERT_TRUE(inbox_->Register({"agent", false}, other));
  const auto stored = inbox_->Store({theirs}, MakeSnapshot(31).wall);
  ASSERT_TRUE(stored) << stored.error().Message();
  EXPECT_EQ(stored->front().stored.count(), 31U);
  EXPECT_EQ(inbox_->receiver_id(), id);
  EXPECT_THAT(FilesSetAside(inbox_path_), IsEmpty());
  inbox_.reset();
}

TEST_F(ReceiverRecoveryTest, WhatIsDamagedWhileItRunsIsReplacedUnderTheSameName) {
  FaultVfs vfs;
  inbox_.reset();
  inbox_ = OpenInbox();
  const ReceiverId id = inbox_->receiver_id();
  ASSERT_TRUE(inbox_->Register({"agent", false}, claim_));
  // As SQLite would find it.
  vfs.FailAt(FaultVfs::Call::kWrite, 1, SQLITE_CORRUPT);
  Claim other = claim_;
  other.spool_id = *SpoolId::FromHex(std::string(32, 'b'));
  EXPECT_FALSE(inbox_->Register({"agent", false}, other));
  vfs.Heal();
  // The sessions go on as if nothing had been.
  const auto stored = inbox_->Store({batch_}, MakeSnapshot(31).wall);
  ASSERT_TRUE(stored) << stored.error().Message();
  EXPECT_EQ(stored->front().stored.count(), 31U);
  EXPECT_EQ(inbox_->receiver_id(), id);
  EXPECT_THAT(FilesSetAside(inbox_path_), SizeIs(1));
  ExpectEverythingThere();
  inbox_.reset();
}

}  // namespace
}  // namespace doagent::spool
