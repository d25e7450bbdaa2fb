// What happens to a spool whose files another program cuts off while the agent runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>

#include "spool/layout.h"
#include "spool/reader.h"
#include "spool/set_aside.h"
#include "spool/spool.h"
#include "spool/sqlite.h"
#include "tests/spool/recovery_support.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {
namespace {

namespace fs = std::filesystem;
using test::MakeSnapshot;
using test::TestSpoolOptions;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Cut to so many bytes while the agent runs.
struct Cut {
  const char* suffix;
  std::uintmax_t bytes;
};

class FileCutOffTest : public RecoveryTest, public testing::WithParamInterface<Cut> {};

INSTANTIATE_TEST_SUITE_P(Files, FileCutOffTest,
                         testing::Values(Cut{"", 0}, Cut{"", 8 << 10}, Cut{"-wal", 0},
                                         Cut{"-wal", 2 << 10}),
                         [](const auto& test) {
                           return std::string(*test.param.suffix == '\0' ? "Database" : "Log") +
                                  std::to_string(test.param.bytes);
                         });

TEST_P(FileCutOffTest, IsNoticedByTheNextRecordAndCounted) {
  Write(Sample().database(), Sample().log());
  {
    const auto database = *Database::Open(path(), Database::Mode::kReadWrite);
    ASSERT_TRUE(database->QueryInteger("SELECT count(*) FROM records"));
    ASSERT_TRUE(database->EmptyLog());
  }
  std::size_t in_database = 0;
  {
    const auto spool = Open();
    ASSERT_TRUE(spool);
    for (std::uint64_t tick = 501; tick <= 520; ++tick) {
      ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
    }
    const fs::path file = path().string() + GetParam().suffix;
    ASSERT_GT(fs::file_size(file), GetParam().bytes);
    fs::resize_file(file, GetParam().bytes);
    const SpoolId before = spool->spool_id();
    ASSERT_TRUE(spool->Append(MakeSnapshot(521)));
    EXPECT_NE(spool->spool_id(), before);
    EXPECT_THAT(Reasons(EventKind::kIdentityChange), Contains(HasSubstr("cut off")));
    Settle(*spool);
    in_database = Survivors();
    EXPECT_TRUE(spool->Append(StopEvent()));
  }
  // The log alone does not have the sample's, nor does the database have what came last.
  if (*GetParam().suffix != '\0') {
    EXPECT_EQ(in_database, Sample().records().size());
  }
  ExpectNoRiddles();
  EXPECT_THAT(Findings(path()), IsEmpty());
}

TEST_F(RecoveryTest, WhatWasInALogThatIsCutOffIsCountedThoughNothingOnTheDiskTellsOfIt) {
  const auto spool = Open();
  ASSERT_TRUE(spool);
  for (std::uint64_t tick = 501; tick <= 520; ++tick) {
    ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
  }
  const SpoolId before = spool->spool_id();
  const Sequence head = spool->head();
  spool->Acknowledge(before, *ReceiverId::FromBytes("receiver-receive"), RangeSet({{1, 5}}));
  fs::resize_file(log(), 0);
  ASSERT_TRUE(spool->Append(MakeSnapshot(521)));
  Settle(*spool);
  const auto origins = (*Reader::Open(path()))->Status()->origins;
  const auto old = std::find_if(origins.begin(), origins.end(), [&before](const auto& origin) {
    return origin.spool_id == before;
  });
  ASSERT_NE(old, origins.end());
  EXPECT_THAT(old->missing, IsEmpty());
  EXPECT_THAT(Reasons(EventKind::kSalvageLoss), Contains(HasSubstr("these were not in it")));
  std::uint64_t lost = 0;
  for (const auto& origin : origins) lost += origin.lost_records;
  EXPECT_EQ(lost, head - 5);
}

TEST_F(RecoveryTest, AFileThatGetsShorterByItselfIsNotCutOffThoughItsSyncFails) {
  for (std::uint64_t nth = 1; nth <= 3; ++nth) {
    const test::TempDir dir(test::TempDir::Where::kMemory);
    test::FaultVfs vfs;
    const auto database = *OpenForWriting(dir / "a.db", Role::kAgent);
    ASSERT_TRUE(database->Execute("CREATE TABLE x(y); INSERT INTO x VALUES(zeroblob(300000))"));
    ASSERT_TRUE(database->CopyLog());
    EXPECT_FALSE(database->IsCutOff());
    ASSERT_TRUE(database->Execute("DELETE FROM x; PRAGMA incremental_vacuum"));
    EXPECT_FALSE(database->IsCutOff());
    vfs.FailAt(test::FaultVfs::Call::kSync, nth, SQLITE_IOERR_FSYNC);
    (void)database->CopyLog();
    vfs.Heal();
    EXPECT_FALSE(database->IsCutOff()) << nth;
    ASSERT_TRUE(database->Execute("INSERT INTO x VALUES(zeroblob(100000))"));
    EXPECT_FALSE(database->IsCutOff()) << nth;
  }
}

TEST_F(RecoveryTest, AFileThatGetsShorterByItselfIsNotCutOff) {
  SpoolOptions options = TestSpoolOptions(path(), 7);
  options.local = true;
  options.retention.bytes_max = 8 << 20;
  const auto spool = *Spool::Open(options);
  for (std::uint64_t tick = 1; tick <= 3000; ++tick) {
    ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
    if (tick % 10 == 0) {
      ASSERT_TRUE(spool->Maintain(MakeSnapshot(tick).wall, MakeSnapshot(tick).mono));
    }
    // As another program may, at any time.
    if (tick % 250 == 0) {
      auto other = Database::Open(path(), Database::Mode::kReadWrite);
      ASSERT_TRUE(other);
      EXPECT_TRUE((*other)->QueryInteger("SELECT count(*) FROM records"));
      EXPECT_TRUE((*other)->EmptyLog());
    }
    if (tick % 400 == 0) {
      auto other = Database::Open(path(), Database::Mode::kReadWrite);
      ASSERT_TRUE(other);
      EXPECT_TRUE(
          (*other)->Execute("CREATE TABLE IF NOT EXISTS x(y); INSERT INTO x VALUES"
                            "(zeroblob(200000)); DELETE FROM x; PRAGMA incremental_vacuum;"
                            "PRAGMA wal_checkpoint"));
    }
  }
  EXPECT_THAT(FilesSetAside(path()), IsEmpty());
  EXPECT_THAT(Reasons(EventKind::kIdentityChange), IsEmpty());
}

}  // namespace
}  // namespace doagent::spool
