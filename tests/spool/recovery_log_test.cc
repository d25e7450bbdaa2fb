// What happens to a spool whose write-ahead log is damaged.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "spool/page_file.h"
#include "spool/salvage_file.h"
#include "spool/set_aside.h"
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
using ::testing::IsEmpty;
using ::testing::SizeIs;

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

class CutOffTest : public RecoveryTest, public ::testing::WithParamInterface<bool> {};

// True: the log's header, without which SQLite begins a new one; false: a bit in the middle.
INSTANTIATE_TEST_SUITE_P(Header, CutOffTest, ::testing::Bool());

TEST_P(CutOffTest, ADamagedLogThatIsTakenOverWhenTheDiskFailsIsTakenUpAgain) {
  std::string log = Sample().log();
  const std::size_t at = GetParam() ? 0 : log.size() / 2;
  log[at] = static_cast<char>(log[at] ^ 4);
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

TEST_F(RecoveryTest, ADamagedLogIsTakenOverWithTheFilesThatAreDamagedMeanwhile) {
  std::string database;
  std::string log;
  std::size_t snapshots = 0;
  {
    const auto spool = Open();
    // As long as a log gets: it is taken over in several commits, and each of them is written over
    // what stands at its beginning.
    constexpr std::uintmax_t kLogBytes = 900 << 10;
    for (std::uint64_t tick = 501; fs::file_size(this->log()) < kLogBytes || tick < 900; ++tick) {
      ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
      ++snapshots;
    }
    database = Bytes(path());
    log = Bytes(this->log());
  }
  log[0] = static_cast<char>(log[0] ^ 4);
  std::uint64_t failed = 0;
  for (bool untouched = false; !untouched; failed += 50) {
    for (const fs::path& aside : FilesSetAside(path())) RemoveSetAside(aside);
    Write(database, log);
    {
      FaultVfs vfs;
      vfs.FailAt(FaultVfs::Call::kWrite, failed + 1, SQLITE_IOERR_WRITE, 1'000'000);
      SpoolOptions options = TestSpoolOptions(path(), ++seed_);
      untouched = Spool::Open(options).has_value();
      vfs.Heal();
    }
    std::fstream(path(), std::ios::in | std::ios::out | std::ios::binary)
        << std::string(100, '\x55');
    const auto spool = Open();
    ASSERT_TRUE(spool);
    Settle(*spool);
    std::size_t taken = 0;
    for (const auto& [name, record] : ReadEverything(path())) {
      taken += std::holds_alternative<Snapshot>(record.content) ? 1U : 0U;
    }
    EXPECT_EQ(taken, snapshots) << "after " << failed << " writes";
    ExpectNoRiddles();
  }
  EXPECT_GT(failed, 60U);
}

// The frames of a log, the last one first, without those of the pages that say whose the records
// are.
std::string FramesBackwardsWithoutOrigins(const std::string& log) {
  constexpr std::size_t kHeaderBytes = 32;
  constexpr std::size_t kFrameBytes = 24 + 1024;
  constexpr PageNumber kPagesLeftOut = 6;
  std::string frames;
  for (std::size_t at = kHeaderBytes; at + kFrameBytes <= log.size(); at += kFrameBytes) {
    const auto* frame = reinterpret_cast<const std::uint8_t*>(log.data() + at);
    if (ReadBigEndian(frame, 4) <= kPagesLeftOut) continue;
    frames.insert(0, log, at, kFrameBytes);
  }
  return frames;
}

TEST_F(RecoveryTest, WhatStandsInALogBeforeItIsProvenToBeTheSpoolsIsTakenOverToo) {
  std::string known;  // the database with the first run's incarnation
  std::string first_run;
  std::string second_run;
  {
    const auto spool = Open();
    ASSERT_TRUE(spool->Append(MakeSnapshot(501)));
    fs::copy_file(path(), dir_ / "copy.db");
    fs::copy_file(log(), dir_ / "copy.db-wal");
    for (std::uint64_t tick = 502; tick <= 505; ++tick) {
      ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
    }
    first_run = Bytes(log());
  }
  {
    const auto copy = *Database::Open(dir_ / "copy.db", Database::Mode::kReadWrite);
    // Nothing is emptied by a connection that has not read yet.
    ASSERT_TRUE(copy->QueryInteger("SELECT count(*) FROM records"));
    ASSERT_TRUE(copy->EmptyLog());
  }
  known = Bytes(dir_ / "copy.db");
  {
    const auto spool = Open();
    // Some pages have records of this run only.
    for (std::uint64_t tick = 506; tick <= 560; ++tick) {
      ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
    }
    second_run = Bytes(log());
  }
  Write(known, "");
  ASSERT_EQ(ReadEverything(path()).size(), 2U);
  std::ofstream(path().string() + ".damaged-log-20200101T000000Z-wal", std::ios::binary)
      << first_run.substr(0, 32) << FramesBackwardsWithoutOrigins(second_run)
      << FramesBackwardsWithoutOrigins(first_run);
  const auto spool = Open();
  ASSERT_TRUE(spool);
  Settle(*spool);
  std::vector<WallTime> taken;
  for (const auto& [name, record] : ReadEverything(path())) {
    if (std::holds_alternative<Snapshot>(record.content)) taken.push_back(record.time);
  }
  std::vector<WallTime> expected;
  for (std::uint64_t tick = 501; tick <= 560; ++tick) expected.push_back(MakeSnapshot(tick).wall);
  EXPECT_EQ(taken, expected);
  ExpectNoRiddles();
}

TEST_F(RecoveryTest, ALogOfAnotherSpoolThatLiesBesideIsLeftOut) {
  ASSERT_TRUE(Open());
  std::ofstream(path().string() + ".damaged-log-20200101T000000Z-wal", std::ios::binary)
      << Sample().log();
  const auto spool = Open();
  ASSERT_TRUE(spool);
  Settle(*spool);
  EXPECT_EQ(Survivors(), 0U);
  EXPECT_THAT(Reasons(EventKind::kSalvageLoss), IsEmpty());
}

TEST_F(RecoveryTest, WhateverIsWrongInTheHeaderOfTheOnlyLogItsRecordsAreThere) {
  std::string database;
  std::string log;
  {
    const auto spool = Open();
    for (std::uint64_t tick = 501; tick <= 505; ++tick) {
      ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
    }
    database = Bytes(path());
    log = Bytes(this->log());
  }
  constexpr std::size_t kHeaderBytes = 32;
  for (std::size_t at = 0; at < kHeaderBytes; ++at) {
    for (const fs::path& aside : FilesSetAside(path())) RemoveSetAside(aside);
    std::string damaged = log;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    Write(database, damaged);
    ASSERT_TRUE(Open());
    std::size_t snapshots = 0;
    std::uint64_t starts = 0;
    for (const auto& [name, record] : ReadEverything(path())) {
      const auto* event = std::get_if<Event>(&record.content);
      snapshots += event == nullptr ? 1U : 0U;
      starts += event != nullptr && event->kind == EventKind::kStart ? 1U : 0U;
    }
    EXPECT_EQ(snapshots, 5U) << "byte " << at;
    std::uint64_t counted = 0;
    const SpoolStatus status = *(*Reader::Open(path()))->Status();
    for (const auto& origin : status.origins) {
      for (const auto& total : origin.ledger) {
        counted += total.kind == EventKind::kStart ? total.events : 0;
      }
    }
    EXPECT_EQ(counted, starts) << "byte " << at;
  }
}

TEST_F(RecoveryTest, ADamagedLogBesideARelativePathIsTakenOver) {
  std::string database;
  std::string log;
  {
    const auto spool = Open();
    for (std::uint64_t tick = 501; tick <= 505; ++tick) {
      ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
    }
    // All of it is in the log, its tables too.
    database = Bytes(path());
    log = Bytes(this->log());
  }
  log[0] = static_cast<char>(log[0] ^ 4);
  Write(database, log);
  const fs::path before = fs::current_path();
  fs::current_path(dir_.path());
  {
    const auto spool = Spool::Open(TestSpoolOptions("spool.db", ++seed_));
    EXPECT_TRUE(spool);
  }
  fs::current_path(before);
  const auto records = ReadEverything(path());
  EXPECT_EQ(std::count_if(records.begin(), records.end(),
                          [](const auto& named) {
                            return std::holds_alternative<Snapshot>(named.second.content);
                          }),
            5);
}

TEST_F(RecoveryTest, AnEpochThatBeganInTheLostPartIsTakenOver) {
  std::string database;
  std::string log;
  SpoolId epoch;
  {
    const auto spool = Open();
    for (std::uint64_t tick = 501; tick <= 510; ++tick) {
      ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
    }
    const std::string before = Bytes(this->log());
    const auto begun = spool->StartNewEpoch(spool->head() + 1, "test", MakeSnapshot(511).wall,
                                            MakeSnapshot(511).mono);
    ASSERT_TRUE(begun);
    epoch = *begun;
    for (std::uint64_t tick = 511; tick <= 520; ++tick) {
      ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
    }
    database = Bytes(path());
    log = Bytes(this->log());
    ASSERT_EQ(before.size(), log.size());
    const auto changed = std::mismatch(before.begin(), before.end(), log.begin()).second;
    // The checksum of the first frame that the epoch wrote.
    constexpr std::ptrdiff_t kChecksumAt = 16;
    *(changed + kChecksumAt) = static_cast<char>(*(changed + kChecksumAt) ^ 1);
  }
  Write(database, log);
  const auto spool = Open();
  ASSERT_TRUE(spool);
  Settle(*spool);
  const auto records = ReadEverything(path());
  EXPECT_EQ(std::count_if(records.begin(), records.end(),
                          [&epoch](const auto& named) { return named.first.first == epoch; }),
            11)
      << "the event and ten snapshots";
  ExpectNoRiddles();
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

}  // namespace
}  // namespace doagent::spool
