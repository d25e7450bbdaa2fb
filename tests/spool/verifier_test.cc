// A verification as a whole: nothing wrong with what is whole, what SQLite itself finds, files of
// which little is left, and a spool that somebody writes meanwhile. What is wrong with records,
// blocks and objects: verifier_content_test.cc; with ranges and sequences: verifier_ranges_test.cc.

#include "spool/verifier.h"

#include <atomic>
#include <random>
#include <thread>

#include "spool/reader.h"
#include "tests/spool/verify_support.h"

namespace doagent::spool {
namespace {

using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

TEST(VerifierTest, NothingIsWrongWithWhatIsWhole) {
  AgentSpool agent;
  const std::string name = "origin " + agent.spool().spool_id().Hex();
  const SpoolId id = agent.spool().spool_id();
  agent.Close();
  const Verified verified = Verify(agent.path());
  EXPECT_THAT(verified.findings, IsEmpty());
  ASSERT_THAT(verified.origins, SizeIs(1));
  const OriginSummary& origin = verified.origins[0];
  EXPECT_EQ(origin.name, name);
  EXPECT_EQ(origin.spool_id, id);
  EXPECT_EQ(origin.host.hostname, "host-1");
  EXPECT_EQ(origin.first_sequence, 1U);
  EXPECT_EQ(origin.last_sequence, 51U);
  EXPECT_EQ(origin.rows, 9U);
  EXPECT_EQ(origin.events, 2U);
  EXPECT_EQ(origin.blocks, 2U);
  EXPECT_EQ(origin.block_snapshots, 40U);
  EXPECT_EQ(origin.unsealed_rows, 9U);
  EXPECT_EQ(origin.unsealed_from, 42U);
  EXPECT_EQ(origin.missing_records, 0U);
  EXPECT_EQ(origin.removed_ranges, 0U);
  const VerifySummary& all = verified.summary;
  EXPECT_EQ(all.spool_id, id);
  EXPECT_FALSE(all.receiver);
  EXPECT_EQ(all.origins, 1U);
  EXPECT_EQ(all.rows + all.events + all.block_snapshots, 51U);
  EXPECT_EQ(all.objects, std::stoull(Ask(agent.path(), "SELECT count(*) FROM objects")));
  EXPECT_EQ(all.bytes, std::stoull(Ask(agent.path(),
                                       "SELECT (SELECT sum(length(payload)) FROM records) + "
                                       "(SELECT sum(length(payload)) FROM blocks) + "
                                       "(SELECT sum(length(payload)) * 2 FROM objects)")));
}

TEST(VerifierTest, NothingIsWrongWithASpoolThatHasJustBegun) {
  const test::TempDir dir;
  const auto spool = *Spool::Open(test::TestSpoolOptions(dir / "spool.db"));
  const Verified verified = Verify(dir / "spool.db");
  EXPECT_THAT(verified.findings, IsEmpty());
  EXPECT_EQ(verified.origins.at(0).events, 1U);
}

// More than one look has.
TEST(VerifierTest, ManyBlocks) {
  const test::TempDir dir(test::TempDir::Where::kMemory);
  SpoolOptions options = test::TestSpoolOptions(dir / "spool.db");
  options.seal.snapshots = 2;
  const auto spool = *Spool::Open(options);
  for (std::uint64_t tick = 1; tick <= 701; ++tick) {
    ASSERT_TRUE(spool->Append(test::MakeSnapshot(tick)));
    while (*spool->Maintain(test::MakeSnapshot(tick).wall, MonoTime())) continue;
  }
  const Verified verified = Verify(dir / "spool.db");
  EXPECT_THAT(verified.findings, IsEmpty());
  EXPECT_EQ(verified.origins[0].blocks, 350U);
  EXPECT_EQ(verified.origins[0].block_snapshots, 700U);
  EXPECT_EQ(verified.origins[0].unsealed_rows, 1U);
  EXPECT_EQ(verified.origins[0].unsealed_from, 702U);
}

TEST(VerifierTest, ProgressIsToldAndGoesUp) {
  AgentSpool agent;
  agent.Close();
  std::uint64_t before = 0;
  std::vector<std::string> steps;
  const VerifyObserver observer{[](const Finding&) {}, [](const OriginSummary&) {},
                                [&](std::string_view step, std::uint64_t bytes) {
                                  EXPECT_GE(bytes, before);
                                  before = bytes;
                                  if (steps.empty() || steps.back() != step) {
                                    steps.emplace_back(step);
                                  }
                                }};
  const auto summary = VerifySpool(agent.path(), observer);
  ASSERT_TRUE(summary);
  EXPECT_EQ(before, summary->bytes);
  EXPECT_THAT(steps, Contains("pages of records"));
  EXPECT_THAT(steps, Contains("blocks"));
}

// --- What cannot be opened -----------------------------------------------------------------------

TEST(VerifierTest, WhatIsNoSpoolIsAnError) {
  const test::TempDir dir;
  const VerifyObserver observer{[](const Finding&) {}, [](const OriginSummary&) {}, nullptr};
  EXPECT_EQ(VerifySpool(dir / "none.db", observer).error().code, ErrorCode::kRefuse);
  WriteFile(dir / "text.db", std::string(5000, 'x'));
  EXPECT_EQ(VerifySpool(dir / "text.db", observer).error().code, ErrorCode::kRefuse);
}

TEST(VerifierTest, AFileThatWasCutIsDamagedNotRefused) {
  AgentSpool agent;
  agent.Close();
  {
    RawFile file(agent.path());
    file.bytes().resize(3 * kPageBytes);
  }
  EXPECT_THAT(agent.Findings(),
              ElementsAre(StartsWith(agent.path().string() + ": cannot be read as a database: ")));
}

// --- What SQLite keeps ---------------------------------------------------------------------------

TEST(VerifierTest, ATableThatIsNotThereIsFoundAndTheOthersAreVerified) {
  AgentSpool agent;
  agent.Damage("DROP TABLE requests");
  EXPECT_THAT(agent.Findings(), ElementsAre("table requests: is not there"));
  agent.Damage("DROP TABLE parked; UPDATE records SET checksum = checksum + 1 WHERE id = " +
               Id(45));
  EXPECT_THAT(agent.Findings(),
              ElementsAre("table parked: is not there", "table requests: is not there",
                          HasSubstr("record 45: its checksum"),
                          "parked: cannot be verified: no such table: parked (SQLite code 1)"));
}

TEST(VerifierTest, AnIndexThatDoesNotFitItsTableIsFound) {
  AgentSpool agent;
  agent.Close();
  const std::string id = Ask(agent.path(), "SELECT id FROM objects WHERE number = 1");
  {
    RawFile file(agent.path());
    // In the index alone: on a page of type 10, a leaf of an index.
    for (std::size_t page = 1; page < file.pages(); ++page) {
      const std::size_t at = file.bytes().find(id, page * kPageBytes);
      if (file.type_of(page) == 10 && at < (page + 1) * kPageBytes) file.bytes()[at + 15] ^= 1;
    }
  }
  EXPECT_THAT(agent.Findings(), Contains(HasSubstr("table objects: SQLite: row 1 missing from")));
}

TEST(VerifierTest, AFreePageThatIsNoneIsFound) {
  AgentSpool agent;
  agent.Damage("PRAGMA wal_checkpoint(TRUNCATE)");
  {
    RawFile file(agent.path());
    // The first page of the list of free pages, which the header names: the next one of it.
    std::size_t page = 0;
    for (std::size_t i = 32; i < 36; ++i) {
      page = page << 8 | static_cast<unsigned char>(file.bytes()[i]);
    }
    ASSERT_NE(page, 0U);
    file.bytes()[(page - 1) * kPageBytes] = '\x7f';
  }
  EXPECT_THAT(agent.Findings(), ElementsAre(HasSubstr("table sqlite_schema: SQLite: ")));
}

TEST(VerifierTest, TablesThatCannotBeToldApartAreFound) {
  AgentSpool agent;
  agent.Damage(
      "PRAGMA writable_schema = ON;"
      "UPDATE sqlite_schema SET sql = 'nonsense' WHERE name = 'ledger'");
  EXPECT_THAT(agent.Findings(),
              ElementsAre(HasSubstr("cannot be read as a database: malformed database schema")));
}

// A page that is none any more: what is on it is lost, what is behind it is verified.
TEST(VerifierTest, ReadingGoesOnBehindAPageThatCannotBeRead) {
  AgentSpool agent;
  agent.Append(50, 148);
  agent.Damage("UPDATE records SET checksum = checksum + 1 WHERE id IN (" + Id(43) + ", " +
               Id(148) + ")");
  const std::string payload =
      Ask(agent.path(), "SELECT payload FROM records WHERE id = " + Id(100));
  {
    RawFile file(agent.path());
    const std::size_t page = file.Find(payload) / kPageBytes;
    ASSERT_EQ(file.type_of(page), 13);
    file.type_of(page) = 77;
  }
  EXPECT_THAT(agent.Findings(),
              ElementsAre(HasSubstr("table records: SQLite: "), HasSubstr("table records: "),
                          HasSubstr("record 43: its checksum"),
                          HasSubstr("records 99-113: cannot be read: database"),
                          HasSubstr("record 148: its checksum"),
                          HasSubstr("records 99-113: are not there, and nothing explains why")));
}

TEST(VerifierTest, TheFirstPageMayBeTheOneThatCannotBeRead) {
  AgentSpool agent;
  agent.Append(50, 148);
  agent.Damage("UPDATE records SET checksum = checksum + 1 WHERE id = " + Id(148));
  const std::string payload = Ask(agent.path(), "SELECT payload FROM records WHERE id = " + Id(1));
  {
    RawFile file(agent.path());
    const std::size_t page = file.Find(payload) / kPageBytes;
    ASSERT_EQ(file.type_of(page), 13);
    file.type_of(page) = 77;
  }
  const auto findings = agent.Findings();
  EXPECT_THAT(findings, Contains(ContainsRegex("records 1-[0-9]+: cannot be read")));
  EXPECT_THAT(findings, Contains(HasSubstr("record 1: is not there, and nothing explains why")));
  EXPECT_THAT(findings, Contains(HasSubstr("record 148: its checksum")));
}

TEST(VerifierTest, ReadingGoesOnBehindABlockThatCannotBeRead) {
  AgentSpool agent;
  agent.Append(50, 109);
  agent.Seal();
  agent.Damage("UPDATE blocks SET checksum = checksum + 1 WHERE id IN (" + Id(2) + ", " + Id(82) +
               ")");
  const std::string payload = Ask(agent.path(), "SELECT payload FROM blocks WHERE id = " + Id(42));
  {
    RawFile file(agent.path());
    const std::size_t page = file.Find(payload.substr(0, 32)) / kPageBytes;
    ASSERT_EQ(file.type_of(page), 13);
    file.type_of(page) = 77;
  }
  const auto findings = agent.Findings();
  EXPECT_THAT(findings, Contains(HasSubstr("block 2-21: its checksum")));
  EXPECT_THAT(findings, Contains(ContainsRegex("blocks that begin in [0-9-]+: cannot be read")));
  EXPECT_THAT(findings, Contains(HasSubstr("block 82-101: its checksum")));
  EXPECT_THAT(findings, Contains(HasSubstr("records 42-81: are not there")));
}

TEST(VerifierTest, WhateverIsDamagedItEnds) {
  AgentSpool agent;
  agent.Close();
  const std::string whole = ReadFile(agent.path());
  const test::TempDir dir(test::TempDir::Where::kMemory);
  const auto path = dir / "copy.db";
  const VerifyObserver observer{[](const Finding&) {}, [](const OriginSummary&) {}, nullptr};
  std::mt19937 random(1);
  int found = 0;
  constexpr int kFiles = 300;
  for (int i = 0; i < kFiles; ++i) {
    std::string damaged = whole;
    for (std::size_t flips = random() % 16 + 1; flips > 0; --flips) {
      // Not the header, which says that it is a spool at all.
      const std::size_t at = 100 + random() % (damaged.size() - 100);
      damaged[at] = static_cast<char>(random());
      if (flips % 4 == 0) damaged.replace(at, 64, damaged, random() % (at + 1), 64);
    }
    damaged.resize(whole.size());
    WriteFile(path, damaged);
    const auto summary = VerifySpool(path, observer);
    ASSERT_TRUE(summary) << summary.error().Message();
    if (summary->findings > 0) ++found;
  }
  // Some bytes mean nothing: free pages, or what was deleted from a page.
  EXPECT_GT(found, kFiles / 2);
}

// --- A spool that is in use ----------------------------------------------------------------------

// Appends, seals, acknowledges, thins and removes as fast as it can, while it is verified.
TEST(VerifierTest, NothingIsWrongWithASpoolThatIsBeingWritten) {
  const test::TempDir dir(test::TempDir::Where::kMemory);
  SpoolOptions options = test::TestSpoolOptions(dir / "spool.db");
  options.key_interval = 5;
  options.seal.snapshots = 16;
  options.retention.bytes_max = 1'400'000;
  const auto spool = *Spool::Open(options);
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> ticks = 0;
  std::thread writer([&] {
    const ReceiverId receiver = *ReceiverId::FromBytes("receiver-receive");
    for (std::uint64_t tick = 1; !stop; ++tick) {
      Snapshot snapshot = test::MakeSnapshot(tick * 10);
      snapshot.sections = {test::MakeSection(test::MakeSchema("wide", 40), tick)};
      ASSERT_TRUE(spool->Append(snapshot));
      if (tick % 50 == 0 && tick < 1000) {
        spool->Acknowledge(spool->spool_id(), receiver, RangeSet({{tick / 2, tick}}));
      }
      if (tick % 1024 == 0) {
        ASSERT_TRUE(
            spool->StartNewEpoch(spool->head() - 100, "test", snapshot.wall, snapshot.mono));
      }
      for (int i = 0; i < 20 && *spool->Maintain(snapshot.wall, snapshot.mono); ++i) continue;
      ticks = tick;
    }
  });
  std::uint64_t removed = 0;
  while (ticks < 4000 || removed == 0) {
    const Verified verified = Verify(dir / "spool.db");
    EXPECT_THAT(verified.findings, IsEmpty());
    for (const auto& origin : verified.origins) removed += origin.removed_records;
  }
  stop = true;
  writer.join();
  EXPECT_THAT(Verify(dir / "spool.db").findings, IsEmpty());
}

}  // namespace
}  // namespace doagent::spool
