// What happens to a spool whose files are damaged or copied, when it is opened: docs/operations.md,
// "When something goes wrong".

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "spool/layout.h"
#include "spool/request.h"
#include "spool/set_aside.h"
#include "spool/spool.h"
#include "spool/wreck.h"
#include "tests/spool/damaged_spools.h"
#include "tests/spool/recovery_support.h"
#include "tests/spool/verify_support.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/snapshots.h"

namespace doagent::spool {
namespace {

namespace fs = std::filesystem;
using test::FaultVfs;
using test::MakeSnapshot;
using test::ReadEverything;
using test::TestHost;
using test::TestSpoolOptions;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(RecoveryTest, NoObjectIsTakenOverWithoutWhatItNames) {
  Write(Sample().database(), Sample().log());
  {
    const auto database = *Database::Open(path(), Database::Mode::kReadWrite);
    for (const std::string table : {"objects", "object_copies"}) {
      ASSERT_TRUE(database->Execute("UPDATE " + table +
                                    " SET payload = zeroblob(length(payload)) "
                                    "WHERE id = (SELECT min(id) FROM objects WHERE kind = 1)"));
    }
    ASSERT_TRUE(database->EmptyLog());
  }
  std::fstream(path(), std::ios::in | std::ios::out | std::ios::binary) << std::string(1024, 'x');
  {
    const auto spool = Open();
    ASSERT_TRUE(spool);
    Settle(*spool);
  }
  EXPECT_LT(Survivors(), Sample().records().size());
  EXPECT_THAT(Findings(path()), IsEmpty());
}

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

TEST_F(RecoveryTest, WithoutItsOriginsTheNewestRecordsAreTheFilesOwn) {
  const auto run = [this](const std::string& machine_id, std::uint64_t first) {
    SpoolOptions options = TestSpoolOptions(path(), ++seed_);
    options.host.machine_id = machine_id;
    options.wall = MakeSnapshot(first).wall;
    const auto spool = *Spool::Open(options);
    for (std::uint64_t tick = first; tick < first + 5; ++tick) {
      EXPECT_TRUE(spool->Append(MakeSnapshot(tick)));
    }
    return spool->spool_id();
  };
  const SpoolId copied = run("one", 1);
  const SpoolId own = run("another", 11);
  ASSERT_NE(own, copied);
  std::string database = Bytes(path());
  // From the table of origins to that of incarnations.
  std::fill(database.begin() + 3 * 1024, database.begin() + 6 * 1024, '\x55');
  Write(database, "");
  const auto spool = Open();
  ASSERT_TRUE(spool);
  Settle(*spool);
  std::map<SpoolId, std::set<WallTime>> taken;
  for (const auto& [name, record] : ReadEverything(path())) {
    if (std::holds_alternative<Snapshot>(record.content)) taken[name.first].insert(record.time);
  }
  EXPECT_THAT(taken, SizeIs(2));
  for (std::uint64_t tick = 11; tick < 16; ++tick) {
    EXPECT_THAT(taken[own], Contains(MakeSnapshot(tick).wall)) << tick;
  }
}

TEST_F(RecoveryTest, ADamagedSharedMemoryFileDoesNotMatter) {
  Write(Sample().database(), Sample().log());
  std::ofstream(path().string() + "-shm", std::ios::binary) << std::string(32768, '\x5a');
  const auto spool = Open();
  ASSERT_TRUE(spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
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

TEST_F(RecoveryTest, WhatWasForgottenStaysSoWhenTheFileIsReplaced) {
  const auto damage = [this] {
    std::fstream(path(), std::ios::in | std::ios::out | std::ios::binary)
        << std::string(1024, '\x55');
  };
  Write(Sample().database(), Sample().log());
  damage();
  const std::string wreck = Bytes(path());
  {
    const auto spool = Open();
    ASSERT_TRUE(spool);
    Settle(*spool);
    ASSERT_TRUE(RequestForget(path(), *PlanToForget(path(), Sample().spool_id(), std::nullopt)));
    ASSERT_TRUE(spool->Append(MakeSnapshot(502)));
    Settle(*spool);
  }
  for (const std::string day : {"20200101", "20200102"}) {
    // One that nothing says was taken over, and no file but the last knows what was forgotten.
    for (const fs::path& aside : FilesSetAside(path())) RemoveSetAside(aside);
    const fs::path another = path().string() + ".damaged-" + day + "T000000Z";
    std::ofstream(another, std::ios::binary) << wreck;
    damage();
    const auto spool = Open();
    ASSERT_TRUE(spool);
    Settle(*spool);
    EXPECT_EQ(Survivors(), 0U);
    EXPECT_THAT(Reasons(EventKind::kSalvageLoss),
                Contains(HasSubstr("from " + another.filename().string())));
  }
}

class FailingSalvageTest : public RecoveryTest,
                           public ::testing::WithParamInterface<FaultVfs::Call> {};

INSTANTIATE_TEST_SUITE_P(Calls, FailingSalvageTest,
                         ::testing::Values(FaultVfs::Call::kWrite, FaultVfs::Call::kSync));

TEST_P(FailingSalvageTest, EndsWithEverythingThere) {
  std::string database = Sample().database();
  std::fill(database.begin(), database.begin() + 100, '\xff');
  std::uint64_t failed = 0;
  for (bool untouched = false; !untouched; ++failed) {
    for (const fs::path& aside : FilesSetAside(path())) RemoveSetAside(aside);
    Write(database, Sample().log());
    FaultVfs vfs;
    const auto spool = Open();
    ASSERT_TRUE(spool);
    vfs.FailAt(GetParam(), failed + 1, SQLITE_IOERR);
    untouched = true;
    for (int idle = 0; idle < 4;) {
      const auto more = spool->Maintain(MakeSnapshot(600).wall, MakeSnapshot(600).mono);
      untouched = untouched && more;
      if (more && !*more) ++idle;
    }
    vfs.Heal();
    Settle(*spool);
    EXPECT_EQ(Survivors(), Sample().records().size()) << "after " << failed << " calls";
    EXPECT_THAT(*spool->Claims(), SizeIs(2)) << "after " << failed << " calls";
    ExpectNoRiddles();
  }
  EXPECT_GT(failed, 1U);
}

TEST_F(RecoveryTest, OfTwoHistoriesEachKeepsWhatItDelivered) {
  const ReceiverId receiver = *ReceiverId::FromBytes("receiver-receive");
  // Of the sequences from 12 on, the copy has delivered all, the original none.
  const auto run = [&](const fs::path& file, std::uint64_t first, std::uint64_t last,
                       bool deliver) {
    SpoolOptions options = TestSpoolOptions(file, ++seed_);
    options.local = false;
    const auto spool = *Spool::Open(options);
    for (std::uint64_t tick = first; tick <= last; ++tick) {
      ASSERT_TRUE(spool->Append(MakeSnapshot(tick)));
    }
    if (deliver) spool->Acknowledge(spool->spool_id(), receiver, RangeSet({{1, spool->head()}}));
    ASSERT_TRUE(spool->Append(Event{EventKind::kStop,
                                    MakeSnapshot(last).wall,
                                    MakeSnapshot(last).mono,
                                    test::TestBootId(),
                                    "",
                                    {},
                                    {},
                                    0}));
  };
  const fs::path original = dir_ / "original";
  run(original, 1, 10, true);
  fs::copy_file(original, path());
  run(original, 11, 21, false);
  run(path(), 31, 46, true);
  fs::rename(original, path().string() + ".damaged-20200101T000000Z");
  fs::rename(path(), path().string() + ".damaged-20200102T000000Z");
  SpoolOptions options = TestSpoolOptions(path(), ++seed_);
  options.local = false;
  const auto spool = *Spool::Open(options);
  Settle(*spool);
  ASSERT_THAT(*spool->Claims(), SizeIs(3));
  std::set<WallTime> pending;
  for (const auto& [name, record] : ReadEverything(path())) {
    const RangeSet delivered = spool->Acknowledged(name.first, receiver);
    if (!delivered.Contains(name.second)) pending.insert(record.time);
  }
  for (std::uint64_t tick = 11; tick <= 21; ++tick) {
    EXPECT_EQ(pending.count(MakeSnapshot(tick).wall), 1U) << tick;
  }
  for (std::uint64_t tick = 31; tick <= 45; ++tick) {
    EXPECT_EQ(pending.count(MakeSnapshot(tick).wall), 0U) << tick;
  }
}

TEST_F(RecoveryTest, WhatIsSalvagedTwiceIsCountedOnce) {
  const auto damage = [this] {
    std::fstream(path(), std::ios::in | std::ios::out | std::ios::binary)
        << std::string(1024, '\x55');
  };
  {
    const auto spool = Open();
    ASSERT_TRUE(spool->Append(MakeSnapshot(1)));
    ASSERT_TRUE(spool->Append(Event{EventKind::kGap,
                                    MakeSnapshot(2).wall,
                                    MakeSnapshot(2).mono,
                                    test::TestBootId(),
                                    "of the test",
                                    {},
                                    {},
                                    5}));
  }
  for (int time = 0; time < 3; ++time) {
    damage();
    const auto spool = Open();
    ASSERT_TRUE(spool);
    Settle(*spool);
  }
  std::uint64_t gaps = 0;
  const auto status = *(*Reader::Open(path()))->Status();
  for (const auto& origin : status.origins) {
    for (const auto& total : origin.ledger)
      gaps += total.kind == EventKind::kGap ? total.records : 0;
  }
  EXPECT_EQ(gaps, 5U);
  EXPECT_THAT(FilesSetAside(path()), SizeIs(3));
}

TEST_F(RecoveryTest, WhatIsSetAsideAndCannotBeReadHoldsUpNothing) {
  const fs::path unreadable = path().string() + ".damaged-20200101T000000Z";
  fs::create_symlink(unreadable, unreadable);
  const auto spool = Open();
  ASSERT_TRUE(spool);
  Settle(*spool);
  EXPECT_THAT(spool->TakeNotices(), Contains(HasSubstr("cannot be read")));
  EXPECT_TRUE(fs::is_symlink(unreadable));
}

TEST_F(RecoveryTest, ManyOpeningsAreReadInTheirOrder) {
  constexpr std::size_t kOpenings = 120;
  for (std::size_t i = 0; i < kOpenings; ++i) ASSERT_TRUE(Open());
  const auto wreck = Wreck::Open(path());
  ASSERT_TRUE(wreck);
  const WreckTables tables = wreck->ReadTables();
  ASSERT_THAT(tables.origins, SizeIs(1));
  const auto& starts = tables.origins[0].incarnations;
  EXPECT_THAT(starts, SizeIs(kOpenings));
  EXPECT_TRUE(std::is_sorted(starts.begin(), starts.end(), [](const auto& a, const auto& b) {
    return a.first_sequence < b.first_sequence;
  }));
}

TEST_F(RecoveryTest, ADamagedRecordIsSetAsideAndTheLedgerSaysSo) {
  Write(Sample().database(), Sample().log());
  { const auto spool = Open(); }
  std::string database = Bytes(path());
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

TEST_F(RecoveryTest, AWrongBeginningOfTheNumbersHidesNoRecord) {
  Write(Sample().database(), Sample().log());
  Sql(path(), "UPDATE origins SET first_sequence = 1000");
  std::fstream(path(), std::ios::in | std::ios::out | std::ios::binary)
      << std::string(1024, '\x55');
  const auto spool = Open();
  Settle(*spool);
  EXPECT_EQ(Survivors(), Sample().records().size());
  const auto claims = spool->Claims();
  ASSERT_THAT(*claims, SizeIs(2));
  EXPECT_EQ((*OpenForReading(path()))->QueryInteger("SELECT max(first_sequence) FROM origins"), 1);
}

TEST_F(RecoveryTest, NoNameIsGivenTwiceThoughTheClockBeginsAnew) {
  Write(Sample().database(), Sample().log());
  const WallTime boot(std::chrono::seconds(5));
  const auto first = SetAside(path(), boot + std::chrono::milliseconds(1));
  ASSERT_TRUE(first);
  ASSERT_TRUE(RemoveSetAside(*first));
  Write(Sample().database(), Sample().log());
  const auto second = SetAside(path(), boot + std::chrono::milliseconds(2));
  ASSERT_TRUE(second);
  EXPECT_NE(*first, *second);
  EXPECT_THAT(FilesSetAside(path()), ElementsAre(*second));
}

}  // namespace
}  // namespace doagent::spool
