// The receiver's side: each (spool id, sequence) once, nobody under another's name, and one bad
// batch harms no other.

#include "spool/inbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "spool/digest.h"
#include "spool/reader.h"
#include "spool/record_codec.h"
#include "spool/spool.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {
namespace {

using test::MakeSnapshot;
using test::TempDir;
using test::TestSpoolOptions;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Principal kAlice{"alice", false};
const WallTime kNow(std::chrono::seconds(1'700'000'000));

class InboxTest : public ::testing::Test {
 protected:
  void SetUp() override { OpenInbox(); }

  void OpenInbox() {
    inbox_.reset();
    const auto random = std::make_shared<std::mt19937_64>(99);
    auto inbox = Inbox::Open({dir_ / "inbox.db", "test", [random] { return (*random)(); }});
    ASSERT_TRUE(inbox) << inbox.error().Message();
    inbox_ = *std::move(inbox);
  }

  std::unique_ptr<Spool> OpenAgent(const char* file = "agent.db", std::uint64_t seed = 1) {
    auto spool = Spool::Open(TestSpoolOptions(dir_ / file, seed));
    EXPECT_TRUE(spool) << spool.error().Message();
    return *std::move(spool);
  }

  // All that the agent has of its current origin, as one batch with all objects.
  static IncomingBatch EverythingOf(Spool& spool) {
    const auto records = spool.Read(spool.spool_id(), {1, spool.head()})->records;
    IncomingBatch batch{spool.spool_id(), {}, records, {}};
    std::vector<ObjectId> keys;
    for (const auto& record : records) {
      if (record.kind == RecordKind::kRow) keys.push_back(record.key);
    }
    batch.objects = *spool.Objects(keys);
    return batch;
  }

  BatchOutcome Store(const IncomingBatch& batch) {
    auto outcomes = inbox_->Store({batch}, kNow);
    EXPECT_TRUE(outcomes) << outcomes.error().Message();
    return outcomes->front();
  }

  StoredClaim Register(Spool& spool, const Principal& principal = kAlice) {
    auto claim = inbox_->Register(principal, spool.Claims()->front());
    EXPECT_TRUE(claim) << claim.error().Message();
    return *claim;
  }

  SpoolStatus Status() {
    auto status = (*Reader::Open(dir_ / "inbox.db"))->Status();
    EXPECT_TRUE(status) << status.error().Message();
    return *status;
  }

  TempDir dir_;
  std::unique_ptr<Inbox> inbox_;
};

TEST_F(InboxTest, StoresARecordOnceHoweverOftenItComes) {
  const auto agent = OpenAgent();
  for (std::uint64_t tick = 1; tick <= 70; ++tick) ASSERT_TRUE(agent->Append(MakeSnapshot(tick)));
  EXPECT_TRUE(Register(*agent).stored.empty());
  const IncomingBatch batch = EverythingOf(*agent);
  for (int i = 0; i < 3; ++i) {
    const BatchOutcome outcome = Store(batch);
    EXPECT_EQ(outcome.stored, RangeSet({{1, 71}}));
    EXPECT_THAT(outcome.refused, IsEmpty());
  }
  OpenInbox();
  EXPECT_EQ(Register(*agent).stored, RangeSet({{1, 71}}));
  EXPECT_EQ(Store(batch).stored, RangeSet({{1, 71}}));

  std::uint64_t tick = 0;
  const auto reader = *Reader::Open(dir_ / "inbox.db");
  ASSERT_TRUE(reader->Visit(
      {},
      [&](const Record& record) {
        if (tick > 0) {
          EXPECT_TRUE(test::SameSnapshot(std::get<Snapshot>(record.content), MakeSnapshot(tick)));
        }
        ++tick;
        return true;
      },
      [](const Error& error) { ADD_FAILURE() << error.Message(); }));
  EXPECT_EQ(tick, 71U);
  EXPECT_EQ(Status().origins.front().pending_records, 0U);
  EXPECT_THAT(Status().origins.front().missing, IsEmpty());
}

TEST_F(InboxTest, TellsWhatIsMissing) {
  const auto agent = OpenAgent();
  ASSERT_TRUE(agent->Append(MakeSnapshot(1)));
  ASSERT_TRUE(agent->Append(MakeSnapshot(2)));
  Register(*agent);
  IncomingBatch batch = EverythingOf(*agent);
  batch.records.erase(batch.records.begin() + 1);
  Store(batch);
  EXPECT_EQ(Status().origins.front().missing, (std::vector<SequenceRange>{{2, 2}}));
}

TEST_F(InboxTest, AMissingKeyIsAskedFor) {
  const auto agent = OpenAgent();
  ASSERT_TRUE(agent->Append(MakeSnapshot(1)));
  Register(*agent);
  IncomingBatch batch = EverythingOf(*agent);
  const auto objects = std::exchange(batch.objects, {});
  BatchOutcome outcome = Store(batch);
  EXPECT_EQ(outcome.stored, RangeSet({{1, 1}}));  // the event needs none
  ASSERT_THAT(outcome.refused, SizeIs(1));
  EXPECT_EQ(outcome.refused[0].refusal, Refusal::kMissingObject);
  EXPECT_EQ(outcome.refused[0].missing_objects.front(), batch.records[1].key);
  // The key alone, without its layout, is not enough, nor is the layout without its two schemas.
  for (const std::size_t missing : {std::size_t{1}, std::size_t{2}}) {
    batch.objects = {objects[objects.size() - missing]};
    outcome = Store(batch);
    ASSERT_THAT(outcome.refused, SizeIs(1));
    EXPECT_EQ(outcome.refused[0].refusal, Refusal::kMissingObject);
    EXPECT_THAT(outcome.refused[0].missing_objects, SizeIs(missing));
  }
  batch.objects = objects;
  EXPECT_EQ(Store(batch).stored, RangeSet({{1, 2}}));
}

TEST_F(InboxTest, ARefusalNamesTheBatchsOwnRecordsOnly) {
  const auto agent = OpenAgent();
  for (std::uint64_t tick = 1; tick <= 4; ++tick) ASSERT_TRUE(agent->Append(MakeSnapshot(tick)));
  Register(*agent);
  IncomingBatch batch = EverythingOf(*agent);
  batch.records.erase(batch.records.begin() + 2);  // sequence 3 is another batch's
  batch.objects.front().payload += "x";
  const BatchOutcome outcome = Store(batch);
  EXPECT_THAT(outcome.stored.ToVector(), IsEmpty());
  ASSERT_THAT(outcome.refused, SizeIs(2));
  EXPECT_EQ(outcome.refused[0].range, (SequenceRange{1, 2}));
  EXPECT_EQ(outcome.refused[1].range, (SequenceRange{4, 5}));
}

TEST_F(InboxTest, WhatAnotherReceiverHasIsNotMissingHere) {
  const auto agent = OpenAgent();
  for (std::uint64_t tick = 1; tick <= 4; ++tick) ASSERT_TRUE(agent->Append(MakeSnapshot(tick)));
  // The claim asks about 1 to 3, which another receiver acknowledged; only 4 and 5 are sent.
  Register(*agent);
  IncomingBatch batch = EverythingOf(*agent);
  batch.records.erase(batch.records.begin(), batch.records.begin() + 3);
  EXPECT_EQ(Store(batch).stored, RangeSet({{4, 5}}));
  EXPECT_EQ(Status().origins.front().first_sequence, 4U);
  EXPECT_THAT(Status().origins.front().missing, IsEmpty());
}

TEST_F(InboxTest, OneBatchBringsOnlySoManyOpenings) {
  const auto agent = OpenAgent();
  Register(*agent);
  IncomingBatch batch{agent->spool_id(), {}, {}, {}};
  const Event event{EventKind::kStart, {}, {}, test::TestBootId(), "", {}, {}, 0};
  for (Sequence sequence = 1; sequence <= 1500; ++sequence) {
    batch.records.push_back(EncodeEvent(event, sequence + 100, sequence));
  }
  BatchOutcome outcome = Store(batch);
  EXPECT_EQ(outcome.stored, RangeSet({{1, 1000}}));
  ASSERT_THAT(outcome.refused, SizeIs(1));
  EXPECT_EQ(outcome.refused[0].refusal, Refusal::kRetry);
  EXPECT_EQ(Store(batch).stored, RangeSet({{1, 1500}}));
}

TEST_F(InboxTest, NobodyWritesUnderAnothersName) {
  const auto agent = OpenAgent();
  Register(*agent);
  const auto refused = inbox_->Register({"mallory", false}, agent->Claims()->front());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kRefuse);
  EXPECT_THAT(refused.error().Message(), HasSubstr("another principal"));
  EXPECT_TRUE(inbox_->Register({"site", true}, agent->Claims()->front()));
}

TEST_F(InboxTest, ABadRecordIsRefusedAndTheOthersStored) {
  const auto agent = OpenAgent();
  for (std::uint64_t tick = 1; tick <= 3; ++tick) ASSERT_TRUE(agent->Append(MakeSnapshot(tick)));
  Register(*agent);
  IncomingBatch batch = EverythingOf(*agent);
  batch.records[2].payload[0] ^= 1;
  const BatchOutcome outcome = Store(batch);
  EXPECT_EQ(outcome.stored, RangeSet({{1, 2}, {4, 4}}));
  ASSERT_THAT(outcome.refused, SizeIs(1));
  EXPECT_EQ(outcome.refused[0].range, (SequenceRange{3, 3}));
  EXPECT_EQ(outcome.refused[0].refusal, Refusal::kPermanent);
}

TEST_F(InboxTest, ABadBatchHarmsNoOther) {
  const auto agent = OpenAgent("agent.db", 1);
  const auto other = OpenAgent("other.db", 2);
  ASSERT_TRUE(agent->Append(MakeSnapshot(1)));
  ASSERT_TRUE(other->Append(MakeSnapshot(2)));
  Register(*agent);
  Register(*other);
  IncomingBatch bad = EverythingOf(*agent);
  bad.objects[0].payload = "garbage";
  const auto outcomes = inbox_->Store({bad, EverythingOf(*other)}, kNow);
  ASSERT_TRUE(outcomes) << outcomes.error().Message();
  EXPECT_TRUE((*outcomes)[0].stored.empty());
  EXPECT_THAT((*outcomes)[0].refused, SizeIs(1));
  EXPECT_EQ((*outcomes)[1].stored, RangeSet({{1, 2}}));
}

TEST_F(InboxTest, ARollbackIsAConflictAtTheNextHello) {
  {
    const auto agent = OpenAgent("agent.db", 1);
    ASSERT_TRUE(agent->Append(MakeSnapshot(1)));
    std::filesystem::copy_file(dir_ / "agent.db", dir_ / "backup.db");
    std::filesystem::copy_file(dir_ / "agent.db-wal", dir_ / "backup.db-wal");
    for (std::uint64_t tick = 2; tick <= 9; ++tick) ASSERT_TRUE(agent->Append(MakeSnapshot(tick)));
    Register(*agent);
    Store(EverythingOf(*agent));
  }
  // Restored from the backup: shorter, so the receiver knows more.
  const auto restored = OpenAgent("backup.db", 2);
  EXPECT_TRUE(Register(*restored).conflict);
  // Longer again: the incarnations still differ.
  for (std::uint64_t tick = 20; tick <= 40; ++tick)
    ASSERT_TRUE(restored->Append(MakeSnapshot(tick)));
  EXPECT_TRUE(Register(*restored).conflict);
  const BatchOutcome outcome = Store(EverythingOf(*restored));
  EXPECT_EQ(outcome.stored, RangeSet({{1, 2}}));  // the history that both share
  ASSERT_FALSE(outcome.refused.empty());
  for (const auto& refused : outcome.refused) {
    EXPECT_EQ(refused.refusal, Refusal::kEpochConflict);
  }
}

TEST_F(InboxTest, AnHonestRestartIsNoConflict) {
  for (std::uint64_t run = 1; run <= 4; ++run) {
    const auto agent = OpenAgent("agent.db", run);
    EXPECT_FALSE(Register(*agent).conflict);
    ASSERT_TRUE(agent->Append(MakeSnapshot(run)));
    EXPECT_THAT(Store(EverythingOf(*agent)).refused, IsEmpty());
    EXPECT_FALSE(Register(*agent).conflict);
  }
}

TEST_F(InboxTest, ARowThatIsNoRowIsRefusedThoughItsChecksumFits) {
  const auto agent = OpenAgent();
  ASSERT_TRUE(agent->Append(MakeSnapshot(1)));
  Register(*agent);
  IncomingBatch batch = EverythingOf(*agent);
  StoredRecord& row = batch.records[1];
  row.encoding = Encoding::kPlain;
  row.payload = std::string("\x12\x01\xff", 3);  // eight changes and not one delta
  row.checksum = ChecksumOf(row);
  const BatchOutcome outcome = Store(batch);
  ASSERT_THAT(outcome.refused, SizeIs(1));
  EXPECT_EQ(outcome.refused[0].refusal, Refusal::kPermanent);
  EXPECT_THAT(outcome.refused[0].detail, HasSubstr("too few deltas"));
}

TEST_F(InboxTest, ForgedLossesDoNotOverflowTheLedger) {
  const auto agent = OpenAgent();
  const Snapshot now = MakeSnapshot(1);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(agent->Append(
        Event{EventKind::kGap, now.wall, now.mono, now.boot_id, "", SpoolId(), {}, ~0ULL}));
  }
  Register(*agent);
  EXPECT_THAT(Store(EverythingOf(*agent)).refused, IsEmpty());
  EXPECT_EQ(Status().origins.front().lost_records, 3 * kSequenceMax);
}

TEST_F(InboxTest, TheReceiverKeepsItsId) {
  const ReceiverId id = inbox_->receiver_id();
  OpenInbox();
  EXPECT_EQ(inbox_->receiver_id(), id);
}

TEST_F(InboxTest, AnAgentsSpoolIsNotTaken) {
  OpenAgent("agent.db");
  const auto inbox = Inbox::Open({dir_ / "agent.db", "test", [] { return 1ULL; }});
  ASSERT_FALSE(inbox);
  EXPECT_THAT(inbox.error().Message(), HasSubstr("an agent's spool, not a receiver's"));
}

}  // namespace
}  // namespace doagent::spool
