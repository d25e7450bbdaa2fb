// What a verification finds wrong with ranges, origins and sequences, on agents and receivers.

#include <atomic>
#include <random>
#include <thread>
#include <utility>

#include "spool/inbox.h"
#include "spool/reader.h"
#include "tests/spool/verify_support.h"

namespace doagent::spool {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class VerifierRangesTest : public ::testing::Test {
 protected:
  std::vector<std::string> Damaged(const std::string& sql) {
    agent_.Damage(sql);
    return agent_.Findings();
  }

  std::string In(const std::string& place) const { return name_ + ", " + place; }

  AgentSpool agent_;
  const std::string name_ = "origin " + agent_.spool().spool_id().Hex();
};

// --- Ranges --------------------------------------------------------------------------------------

TEST_F(VerifierRangesTest, PossibleRangesAreNotFound) {
  EXPECT_THAT(Damaged("INSERT INTO delivered VALUES(1, 1, 1, 5), (1, 1, 7, 51), (1, 2, 3, 8);"
                      "INSERT INTO removed VALUES(1, 0, 1, 5, 0), (1, 2, 3, 8, 0);"
                      "INSERT INTO parked VALUES(1 << 40 | 3, 0, '')"),
              IsEmpty());
}

TEST_F(VerifierRangesTest, ImpossibleRanges) {
  EXPECT_THAT(Damaged("INSERT INTO delivered VALUES(1, 4, 6, 5);"
                      "INSERT INTO stored VALUES(1, 0, 3);"
                      "INSERT INTO removed VALUES(1, 1, 2, 1 << 40, 0)"),
              ElementsAre("table delivered, origin number 1, receiver 4, 6-5: is no possible range",
                          "table stored, origin number 1, 0-3: is no possible range",
                          "table removed, origin number 1, kind 1, 2-1099511627776: is no possible "
                          "range"));
}

TEST_F(VerifierRangesTest, RangesThatOverlap) {
  EXPECT_THAT(
      Damaged("INSERT INTO delivered VALUES(1, 4, 1, 7), (1, 4, 7, 9), (1, 5, 8, 9);"
              "INSERT INTO stored VALUES(1, 1, 7), (1, 5, 6);"
              "INSERT INTO removed VALUES(1, 0, 1, 7, 0), (1, 0, 3, 9, 0), (1, 1, 3, 9, 0)"),
      ElementsAre("table delivered, origin number 1, receiver 4, 7-9: overlaps the range "
                  "before it, 1-7",
                  "table stored, origin number 1, 5-6: overlaps the range before it, 1-7",
                  "table removed, origin number 1, kind 0, 3-9: overlaps the range before "
                  "it, 1-7"));
}

TEST_F(VerifierRangesTest, RangesOfNobody) {
  EXPECT_THAT(Damaged("INSERT INTO stored VALUES(9, 1, 7);"
                      "INSERT INTO removed VALUES(9, 0, 1, 7, 0);"
                      "INSERT INTO parked VALUES(9 << 40 | 3, 0, '')"),
              ElementsAre("table stored, origin number 9, 1-7: belongs to no known origin",
                          "table removed, origin number 9, kind 0, 1-7: belongs to no known origin",
                          "parked record 3 of origin number 9: belongs to no known origin"));
}

TEST_F(VerifierRangesTest, DeliveredRangesOfNobody) {
  EXPECT_THAT(Damaged("INSERT INTO delivered VALUES(9, 4, 1, 7)"),
              ElementsAre("table delivered, origin number 9, receiver 4, 1-7: belongs to no known "
                          "origin",
                          HasSubstr("goes beyond what was ever written, which ends with 0")));
}

TEST_F(VerifierRangesTest, DeliveredBeyondWhatWasWritten) {
  EXPECT_THAT(Damaged("INSERT INTO delivered VALUES(1, 4, 40, 52)"),
              ElementsAre("table delivered, origin number 1, receiver 4, 40-52: goes beyond what "
                          "was ever written, which ends with 51"));
  // What was removed had been written.
  EXPECT_THAT(Damaged("INSERT INTO removed VALUES(1, 0, 52, 52, 0)"), IsEmpty());
}

TEST_F(VerifierRangesTest, AnUnknownKindOfRemoval) {
  EXPECT_THAT(Damaged("INSERT INTO removed VALUES(1, 9, 1, 7, 0)"),
              ElementsAre("table removed, origin number 1, kind 9, 1-7: is of an unknown kind"));
}

// More than one look has.
TEST_F(VerifierRangesTest, ManyRangesAreLookedAtOnce) {
  EXPECT_THAT(Damaged("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000) "
                      "INSERT INTO stored SELECT 1, i * 10, i * 10 + 5 FROM n;"
                      "UPDATE stored SET last = first - 1 WHERE first = 15390;"
                      "UPDATE stored SET last = last + 5 WHERE first IN (5120, 5130, 5140)"),
              SizeIs(4));
}

// --- Origins -------------------------------------------------------------------------------------

TEST_F(VerifierRangesTest, RecordsOfAnUnknownOrigin) {
  EXPECT_THAT(Damaged("UPDATE records SET id = id + (6 << 40) WHERE id = " + Id(51) +
                      "; INSERT INTO incarnations SELECT 7, 51, incarnation FROM incarnations"),
              ElementsAre("origin number 7: has records, but is not in the table of origins"));
}

TEST_F(VerifierRangesTest, BlocksOfAnUnknownOrigin) {
  const auto findings =
      Damaged("UPDATE blocks SET id = id - (6 << 40) WHERE id = " + Id(22) +
              "; INSERT INTO incarnations SELECT -5, 22, incarnation FROM incarnations");
  EXPECT_THAT(findings,
              ElementsAre("origin number -5: has records, but is not in the table of origins",
                          In("records 22-41: are not there, and nothing explains why")));
}

TEST_F(VerifierRangesTest, AnOriginThatIsNone) {
  EXPECT_THAT(Damaged("INSERT INTO origins SELECT 3, x'00', 0, '', '', '', '', '', ''"),
              ElementsAre("origin number 3: its spool id is none",
                          "origin number 3: begins with an impossible sequence, 0"));
  EXPECT_THAT(Damaged("UPDATE origins SET number = 1 << 50, first_sequence = 1 WHERE number = 3"),
              ElementsAre("origin number 1125899906842624: is a number that no record can have"));
}

TEST_F(VerifierRangesTest, TheAgentsOwnOriginIsNotThere) {
  EXPECT_THAT(
      Damaged("UPDATE meta SET value = x'" + std::string(32, '7') + "' WHERE name = 'spool_id'"),
      ElementsAre("origin 77777777777777777777777777777777: is the one that the agent "
                  "writes, but not in the table of origins"));
  EXPECT_THAT(Damaged("UPDATE meta SET value = 'no id' WHERE name = 'spool_id'"),
              ElementsAre("table meta: its spool id is none"));
}

TEST_F(VerifierRangesTest, NobodysFile) {
  EXPECT_THAT(Damaged("DELETE FROM meta WHERE name = 'role'"),
              ElementsAre(HasSubstr("table meta: does not say whether it is")));
}

// --- Missing sequences ---------------------------------------------------------------------------

TEST_F(VerifierRangesTest, MissingRecords) {
  agent_.Damage("DELETE FROM records WHERE id IN (" + Id(1) + ", " + Id(45) + ", " + Id(46) +
                "); DELETE FROM blocks WHERE id = " + Id(22));
  const Verified verified = Verify(agent_.path());
  EXPECT_THAT(verified.findings,
              ElementsAre(In("record 1: is not there, and nothing explains why"),
                          In("records 22-41: are not there, and nothing explains why"),
                          In("records 45-46: are not there, and nothing explains why")));
  EXPECT_EQ(verified.origins[0].missing, (std::vector<SequenceRange>{{1, 1}, {22, 41}, {45, 46}}));
  EXPECT_EQ(verified.origins[0].missing_ranges, 3U);
  EXPECT_EQ(verified.origins[0].missing_records, 23U);
}

TEST_F(VerifierRangesTest, WhatWasRemovedIsNotMissing) {
  agent_.Damage(
      "DELETE FROM blocks WHERE id = " + Id(22) +
      "; INSERT INTO removed VALUES(1, 0, 20, 22, 0), (1, 1, 25, 30, 0), (1, 2, 29, 40, 10);"
      "INSERT INTO ledger VALUES(1, 5, 1, 3), (1, 6, 1, 4)");
  const Verified verified = Verify(agent_.path());
  EXPECT_THAT(verified.findings,
              ElementsAre(In("records 23-24: are not there, and nothing explains why"),
                          In("record 41: is not there, and nothing explains why")));
  const OriginSummary& origin = verified.origins[0];
  EXPECT_EQ(origin.removed_records, 17U);
  EXPECT_EQ(origin.removed_ranges, 3U);
  ASSERT_THAT(origin.removed, SizeIs(3));
  EXPECT_EQ(origin.removed[1].kind, "evicted");
  EXPECT_EQ(origin.removed[1].range, (SequenceRange{25, 30}));
  EXPECT_EQ(origin.lost_records, 7U);
}

TEST_F(VerifierRangesTest, WhatAnEventExplainsIsNotMissing) {
  agent_.AppendEvent(EventKind::kSalvageLoss, {{22, 30}, {35, 60}});
  agent_.AppendEvent(EventKind::kPark, {{31, 32}}, *SpoolId::FromBytes("another-spool-id"));
  agent_.Damage("DELETE FROM blocks WHERE id = " + Id(22));
  const Verified verified = Verify(agent_.path());
  EXPECT_THAT(verified.findings,
              ElementsAre(In("records 31-34: are not there, and nothing explains why")));
  EXPECT_EQ(verified.origins[0].explained_records, 16U);
}

TEST_F(VerifierRangesTest, WhatWasRemovedMayBeUnreadable) {
  agent_.Damage("DELETE FROM blocks WHERE id = " + Id(22) +
                "; INSERT INTO removed VALUES(1, 0, 22, 41, 0)");
  const std::string page =
      Ask(agent_.path(), "SELECT rootpage FROM sqlite_schema WHERE name = 'removed'");
  {
    RawFile file(agent_.path());
    ASSERT_EQ(file.type_of(std::stoul(page) - 1), 10);
    file.type_of(std::stoul(page) - 1) = 77;
  }
  const auto findings = agent_.Findings();
  EXPECT_THAT(findings, Contains("table removed: database disk image is malformed (SQLite code "
                                 "11)"));
  EXPECT_THAT(findings, Contains(HasSubstr("table removed: cannot be read to its end: ")));
  EXPECT_THAT(findings, Not(Contains(HasSubstr("not there"))));
}

// A look at the records ends somewhere in the block's hole; the next one begins there.
TEST_F(VerifierRangesTest, ABlockWithALongHole) {
  for (int i = 0; i < 5000; ++i) agent_.AppendEvent(EventKind::kGap);
  agent_.Append(50, 80);
  agent_.Seal();
  agent_.Close();
  const Verified verified = Verify(agent_.path());
  EXPECT_THAT(verified.findings, IsEmpty());
  const OriginSummary& origin = verified.origins[0];
  EXPECT_EQ(origin.events, 5002U);
  EXPECT_EQ(origin.blocks, 4U);
  EXPECT_EQ(origin.block_snapshots, 80U);
  EXPECT_EQ(origin.rows, 0U);
  EXPECT_EQ(origin.unsealed_rows, 0U);
  EXPECT_EQ(origin.last_sequence, 5082U);
}

// What is suspected is looked at again: meanwhile it may have turned out to be removed, have come,
// or be behind everything that is left.
TEST_F(VerifierRangesTest, WhatIsSuspectedIsLookedAtAgain) {
  agent_.Damage("CREATE TABLE kept AS SELECT * FROM records WHERE id = " + Id(45) +
                "; DELETE FROM records WHERE id = " + Id(45));
  const std::string whole = ReadFile(agent_.path());
  for (const std::string meanwhile :
       {"INSERT INTO removed VALUES(1, 0, 40, 47, 0)", "INSERT INTO records SELECT * FROM kept",
        "DELETE FROM records WHERE id > (1 << 40) + 40"}) {
    for (const char* suffix : {"-wal", "-shm"}) {
      std::filesystem::remove(agent_.path().string() + suffix);
    }
    WriteFile(agent_.path(), whole);
    std::vector<std::string> findings;
    bool done = false;
    const auto summary = VerifySpool(
        agent_.path(),
        {[&](const Finding& finding) { findings.push_back(finding.place + ": " + finding.what); },
         [](const OriginSummary&) {},
         [&](std::string_view step, std::uint64_t) {
           if (step == "sequences" && !std::exchange(done, true)) Sql(agent_.path(), meanwhile);
         }});
    ASSERT_TRUE(summary);
    EXPECT_TRUE(done);
    EXPECT_THAT(findings, IsEmpty()) << meanwhile;
  }
}

// The same ranges as `status` shows, whatever is taken away.
TEST_F(VerifierRangesTest, MissingIsWhatStatusCallsMissing) {
  agent_.AppendEvent(EventKind::kGap, {{50, 60}, {5, 7}});
  agent_.Append(50, 400);
  agent_.Seal();
  agent_.Append(401, 5000);
  agent_.Close();
  std::mt19937 random(3);
  for (int i = 0; i < 15; ++i) {
    const std::string first = std::to_string(random() % 5050 + 1);
    const std::string last = first + " + " + std::to_string(random() % 30);
    const std::string ids = " BETWEEN (1 << 40) + " + first + " AND (1 << 40) + " + last;
    Sql(agent_.path(), "DELETE FROM records WHERE id" + ids);
    Sql(agent_.path(), "DELETE FROM blocks WHERE id" + ids);
    if (i % 3 == 0) {
      Sql(agent_.path(), "INSERT INTO removed VALUES(1, " + std::to_string(i % 2) + ", " + first +
                             ", " + last + ", 0) ON CONFLICT DO NOTHING");
    }
    const SpoolStatus status = *(*Reader::Open(agent_.path()))->Status();
    const Verified verified = Verify(agent_.path());
    EXPECT_EQ(verified.origins[0].missing, status.origins[0].missing);
    EXPECT_EQ(verified.origins[0].first_sequence, status.origins[0].first_sequence);
    EXPECT_EQ(verified.origins[0].last_sequence, status.origins[0].last_sequence);
  }
}

// --- Receivers -----------------------------------------------------------------------------------

class VerifierReceiverTest : public ::testing::Test {
 protected:
  VerifierReceiverTest() {
    const auto random = std::make_shared<std::mt19937_64>(99);
    inbox_ = *Inbox::Open({path_, "test", [random] { return (*random)(); }, {}, {20}});
    Spool& spool = agent_.spool();
    EXPECT_TRUE(inbox_->Register({"alice", false}, spool.Claims()->front()));
    Store(1);
    name_ = "origin " + spool.spool_id().Hex();
  }

  // What the agent has from the sequence on, in whatever form.
  void Store(Sequence from) {
    Spool& spool = agent_.spool();
    for (Sequence next = from; next <= spool.head();) {
      const auto pending = *spool.Read(spool.spool_id(), {next, spool.head()});
      IncomingBatch batch{spool.spool_id(), {}, pending.records, {}};
      std::vector<ObjectId> needed;
      for (const auto& record : pending.records) {
        if (record.kind == RecordKind::kRow) needed.push_back(record.key);
        next = record.sequence + 1;
      }
      if (pending.block) {
        needed = pending.block->layouts;
        batch.blocks.push_back(*pending.block);
        next = pending.block->range.last + 1;
      }
      batch.objects = *spool.Objects(needed);
      const auto outcomes = inbox_->Store({batch}, test::MakeSnapshot(49).wall);
      EXPECT_THAT(outcomes->front().refused, IsEmpty());
    }
  }

  std::vector<std::string> Damaged(const std::string& sql) {
    inbox_.reset();
    Sql(path_, sql);
    return Verify(path_).findings;
  }

  AgentSpool agent_;
  const test::TempDir dir_;
  const std::filesystem::path path_ = dir_ / "inbox.db";
  std::unique_ptr<Inbox> inbox_;
  std::string name_;
};

TEST_F(VerifierReceiverTest, NothingIsWrongWithWhatIsWhole) {
  const Verified verified = Verify(path_);
  EXPECT_THAT(verified.findings, IsEmpty());
  EXPECT_TRUE(verified.summary.receiver);
  ASSERT_THAT(verified.origins, SizeIs(1));
  EXPECT_EQ(verified.origins[0].block_snapshots, 40U);
  EXPECT_EQ(verified.origins[0].unsealed_rows, 9U);
}

TEST_F(VerifierReceiverTest, ARecordThatWasNeverStored) {
  EXPECT_THAT(Damaged("UPDATE stored SET last = 49"),
              ElementsAre(name_ + ", record 50: is here, but not among the ranges that were ever "
                                  "stored"));
}

TEST_F(VerifierReceiverTest, ABlockThatWasNeverStored) {
  EXPECT_THAT(Damaged("UPDATE stored SET last = 30; INSERT INTO stored VALUES(1, 33, 50)"),
              ElementsAre(name_ + ", block 22-41: has sequence 31, which is not among the ranges "
                                  "that were ever stored"));
}

TEST_F(VerifierReceiverTest, WhatIsMissing) {
  EXPECT_THAT(Damaged("DELETE FROM blocks WHERE id = " + Id(22)),
              ElementsAre(name_ + ", records 22-41: are not there, and nothing explains why"));
}

// Stores rows, then the same and more in blocks, seals and removes, while it is verified.
TEST_F(VerifierReceiverTest, NothingIsWrongWithAReceiversSpoolThatIsBeingWritten) {
  std::atomic<bool> done = false;
  std::thread writer([&] {
    Spool& spool = agent_.spool();
    for (std::uint64_t tick = 50; tick < 2000; tick += 30) {
      const Sequence before = spool.head();
      agent_.Append(tick, tick + 29);
      Store(before + 1);
      agent_.Seal();
      Store(before > 40 ? before - 40 : 1);
      const auto now = test::MakeSnapshot(tick + 29);
      while (*inbox_->Maintain(now.wall, now.mono)) continue;
    }
    done = true;
  });
  while (!done) EXPECT_THAT(Verify(path_).findings, IsEmpty());
  writer.join();
  const Verified verified = Verify(path_);
  EXPECT_THAT(verified.findings, IsEmpty());
  EXPECT_GT(verified.summary.block_snapshots, 100U);
}

// A receiver delivers to nobody, so nothing was written there.
TEST_F(VerifierReceiverTest, DeliveredRangesAreTheAgentsAffair) {
  EXPECT_THAT(Damaged("INSERT INTO delivered VALUES(1, 1, 1, 500)"), IsEmpty());
}

TEST_F(VerifierReceiverTest, DamageOfARecordIsFoundThereToo) {
  EXPECT_THAT(Damaged("UPDATE records SET time_unix_ns = 0 WHERE id = " + Id(45)),
              ElementsAre(name_ + ", record 45: its checksum does not fit its content"));
}

}  // namespace
}  // namespace doagent::spool
