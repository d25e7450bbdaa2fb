// Blocks in a receiver's spool: whatever arrives as rows, in blocks of any cut, or twice, each
// record is stored once and reads the same.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "spool/block_codec.h"
#include "spool/digest.h"
#include "spool/inbox.h"
#include "spool/reader.h"
#include "spool/record_codec.h"
#include "tests/spool/verify_support.h"
#include "tests/support/object_set.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {
namespace {

using test::MakeSnapshot;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const WallTime kNow(std::chrono::seconds(1'700'000'000));
constexpr std::uint64_t kTicks = 60;

// An agent's records in both forms: as rows, and as blocks of whatever snapshots are asked for.
class Agent {
 public:
  Agent() : spool_(*Spool::Open(test::TestSpoolOptions(dir_ / "agent.db"))) {
    for (std::uint64_t tick = 1; tick <= kTicks; ++tick) {
      EXPECT_TRUE(spool_->Append(MakeSnapshot(tick)));
    }
    batch_.spool_id = spool_->spool_id();
    batch_.records = spool_->Read(batch_.spool_id, {1, spool_->head()})->records;
    std::vector<ObjectId> keys;
    for (const auto& record : batch_.records) {
      if (record.kind == RecordKind::kRow) keys.push_back(record.key);
    }
    batch_.objects = *spool_->Objects(keys);
    test::ObjectSet objects;
    objects.Add(batch_.objects);
    for (const auto& record : batch_.records) {
      if (record.kind != RecordKind::kRow) continue;
      const Key key = *objects.FindKey(record.key);
      snapshots_[record.sequence] = {record.sequence, key.incarnation, *DecodeRow(record, key)};
    }
  }

  const SpoolId& id() const { return batch_.spool_id; }
  Claim claim() const { return spool_->Claims()->front(); }

  IncomingBatch Rows(const RangeSet& sequences) const {
    IncomingBatch batch = batch_;
    std::erase_if(batch.records, [&sequences](const StoredRecord& record) {
      return !sequences.Contains(record.sequence);
    });
    return batch;
  }

  // The snapshots with these sequences, as one block.
  IncomingBatch Block(const RangeSet& sequences) {
    std::vector<NumberedSnapshot> snapshots;
    for (const auto& [sequence, snapshot] : snapshots_) {
      if (sequences.Contains(sequence)) snapshots.push_back(snapshot);
    }
    IncomingBatch batch = batch_;
    batch.records.clear();
    for (auto& encoded : EncodeBlocks(snapshots, layouts_)) {
      batch.blocks.push_back(std::move(encoded.block));
    }
    return batch;
  }

  const Snapshot& At(Sequence sequence) const { return snapshots_.at(sequence).snapshot; }

 private:
  test::TempDir dir_;
  std::unique_ptr<Spool> spool_;
  IncomingBatch batch_;  // everything, with all objects
  std::map<Sequence, NumberedSnapshot> snapshots_;
  LayoutFinder layouts_;
};

class Receiver {
 public:
  explicit Receiver(Claim claim) : claim_(std::move(claim)) { Open(); }

  void Open(const RetentionPolicy& retention = {.expires = false}) {
    inbox_.reset();
    const auto random = std::make_shared<std::mt19937_64>(99);
    InboxOptions options{dir_ / "inbox.db", "test", [random] { return (*random)(); }};
    options.seal = {8, std::chrono::hours(1)};
    options.retention = retention;
    inbox_ = *Inbox::Open(options);
    EXPECT_TRUE(inbox_->Register({"alice", false}, claim_));
  }

  BatchOutcome Store(const IncomingBatch& batch) {
    auto outcomes = inbox_->Store({batch}, kNow);
    EXPECT_TRUE(outcomes) << outcomes.error().Message();
    return outcomes->front();
  }

  bool Maintain(WallTime now = kNow) {
    const auto more = inbox_->Maintain(now, MonoTime());
    EXPECT_TRUE(more) << more.error().Message();
    return more && *more;
  }

  std::map<Sequence, Record> Records() {
    std::map<Sequence, Record> records;
    const auto visited = (*Reader::Open(dir_ / "inbox.db"))
                             ->Visit(
                                 {},
                                 [&records](const Record& record) {
                                   const bool first =
                                       records.emplace(record.sequence, record).second;
                                   EXPECT_TRUE(first) << record.sequence;
                                   return true;
                                 },
                                 [](const Error& error) { ADD_FAILURE() << error.Message(); });
    EXPECT_TRUE(visited) << visited.error().Message();
    return records;
  }

  // The block that begins with this sequence.
  void Damage(Sequence first) {
    Sql(dir_ / "inbox.db",
        "UPDATE blocks SET payload = zeroblob(length(payload)) WHERE id = " + Id(first));
  }

  OriginStatus Status() { return (*(*Reader::Open(dir_ / "inbox.db"))->Status()).origins.front(); }

 private:
  test::TempDir dir_;
  Claim claim_;
  std::unique_ptr<Inbox> inbox_;
};

RC_GTEST_PROP(InboxBlockTest, HoweverItArrivesEachRecordIsStoredOnce, ()) {
  static Agent agent;
  Receiver receiver(agent.claim());
  RangeSet stored;
  const int steps = *rc::gen::inRange(1, 25);
  for (int step = 0; step < steps; ++step) {
    RangeSet sequences;
    const int pieces = *rc::gen::inRange(1, 4);
    for (int piece = 0; piece < pieces; ++piece) {
      const Sequence first = *rc::gen::inRange<Sequence>(2, kTicks + 2);
      const Sequence last = first + *rc::gen::inRange<Sequence>(0, 15);
      sequences.Add({first, std::min(last, Sequence{kTicks} + 1)});
    }
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
      case 1: {
        const BatchOutcome outcome = receiver.Store(agent.Block(sequences));
        RC_ASSERT(outcome.refused.empty());
        RC_ASSERT(outcome.stored == sequences);
        stored.Add(sequences);
        break;
      }
      case 2: {
        const BatchOutcome outcome = receiver.Store(agent.Rows(sequences));
        RC_ASSERT(outcome.refused.empty());
        RC_ASSERT(outcome.stored == sequences);
        stored.Add(sequences);
        break;
      }
      case 3:
        if (*rc::gen::inRange(0, 4) == 0) receiver.Open();
        receiver.Maintain();
        break;
    }
  }
  const auto records = receiver.Records();
  RangeSet there;
  for (const auto& [sequence, record] : records) {
    there.Add({sequence, sequence});
    RC_ASSERT(SameContent(std::get<Snapshot>(record.content), agent.At(sequence)));
  }
  RC_ASSERT(there == stored);
}

class InboxBlockFixture : public ::testing::Test {
 protected:
  Agent agent_;
  Receiver receiver_{agent_.claim()};
};

TEST_F(InboxBlockFixture, AsksForTheLayoutsOfABlock) {
  IncomingBatch batch = agent_.Block(RangeSet({{2, 20}}));
  const auto objects = std::exchange(batch.objects, {});
  const BatchOutcome outcome = receiver_.Store(batch);
  ASSERT_THAT(outcome.refused, SizeIs(1));
  EXPECT_EQ(outcome.refused[0].refusal, Refusal::kMissingObject);
  EXPECT_EQ(outcome.refused[0].missing_objects, batch.blocks[0].layouts);
  EXPECT_EQ(outcome.refused[0].range, (SequenceRange{2, 20}));
  batch.objects = objects;
  EXPECT_EQ(receiver_.Store(batch).stored, RangeSet({{2, 20}}));
}

TEST_F(InboxBlockFixture, RefusesADamagedBlockAndTakesTheNext) {
  IncomingBatch batch = agent_.Block(RangeSet({{2, 10}}));
  batch.blocks.push_back(agent_.Block(RangeSet({{11, 20}})).blocks[0]);
  batch.blocks[0].payload[5] ^= 1;
  const BatchOutcome outcome = receiver_.Store(batch);
  EXPECT_EQ(outcome.stored, RangeSet({{11, 20}}));
  ASSERT_THAT(outcome.refused, SizeIs(1));
  EXPECT_EQ(outcome.refused[0].refusal, Refusal::kPermanent);
  EXPECT_EQ(outcome.refused[0].range, (SequenceRange{2, 10}));
}

TEST_F(InboxBlockFixture, ABlockWithOtherContentIsAnotherHistory) {
  ASSERT_THAT(receiver_.Store(agent_.Rows(RangeSet({{5, 5}}))).refused, IsEmpty());
  IncomingBatch batch = agent_.Block(RangeSet({{2, 10}}));
  NumberedSnapshot changed{5, 1, agent_.At(5)};
  changed.snapshot.sections[0].values[0] += 1;
  LayoutFinder layouts;
  batch.blocks = {EncodeBlocks(std::span(&changed, 1), layouts)[0].block};
  const BatchOutcome outcome = receiver_.Store(batch);
  EXPECT_TRUE(outcome.stored.empty());
  ASSERT_THAT(outcome.refused, SizeIs(1));
  EXPECT_EQ(outcome.refused[0].refusal, Refusal::kEpochConflict);
  EXPECT_TRUE(SameContent(std::get<Snapshot>(receiver_.Records().at(5).content), agent_.At(5)));
}

TEST_F(InboxBlockFixture, ABlockThatWantsAnEventsPlaceIsAnotherHistory) {
  ASSERT_THAT(receiver_.Store(agent_.Rows(RangeSet({{1, 1}}))).refused, IsEmpty());
  const NumberedSnapshot forged{1, 1, agent_.At(5)};
  IncomingBatch batch = agent_.Block(RangeSet({{2, 3}}));
  LayoutFinder layouts;
  batch.blocks = {EncodeBlocks(std::span(&forged, 1), layouts)[0].block};
  const BatchOutcome outcome = receiver_.Store(batch);
  ASSERT_THAT(outcome.refused, SizeIs(1));
  EXPECT_EQ(outcome.refused[0].refusal, Refusal::kEpochConflict);
}

TEST_F(InboxBlockFixture, RowsThatAreInABlockAlreadyAreKnown) {
  ASSERT_THAT(receiver_.Store(agent_.Block(RangeSet({{2, 30}}))).refused, IsEmpty());
  const BatchOutcome outcome = receiver_.Store(agent_.Rows(RangeSet({{1, 40}})));
  EXPECT_THAT(outcome.refused, IsEmpty());
  EXPECT_EQ(outcome.stored, RangeSet({{1, 40}}));
  EXPECT_THAT(receiver_.Records(), SizeIs(40));
}

TEST_F(InboxBlockFixture, OldRecordsGoAndAreNotTakenAgain) {
  receiver_.Open({.expires = true, .age = std::chrono::hours(24)});
  ASSERT_THAT(receiver_.Store(agent_.Rows(RangeSet({{1, 61}}))).refused, IsEmpty());
  // A day after the thirtieth snapshot; the start event comes with the rows before it.
  while (receiver_.Maintain(agent_.At(31).wall + std::chrono::hours(24))) continue;
  auto records = receiver_.Records();
  EXPECT_EQ(records.begin()->first, 26U);  // blocks of eight: up to 25 all of it is old
  EXPECT_EQ(receiver_.Store(agent_.Rows(RangeSet({{1, 61}}))).stored, RangeSet({{1, 61}}));
  EXPECT_EQ(receiver_.Records().size(), records.size());
  EXPECT_THAT(receiver_.Status().missing, IsEmpty());
  EXPECT_EQ(receiver_.Status().lost_records, 0U);
}

TEST_F(InboxBlockFixture, WhatGoesForWantOfSpaceIsCounted) {
  receiver_.Open({.disk_free_bytes_min = std::uint64_t{1} << 62, .expires = false});
  ASSERT_THAT(receiver_.Store(agent_.Rows(RangeSet({{1, 61}}))).refused, IsEmpty());
  while (receiver_.Maintain()) continue;
  EXPECT_THAT(receiver_.Records(), IsEmpty());
  EXPECT_EQ(receiver_.Status().lost_records, 61U);
}

TEST_F(InboxBlockFixture, WhatIsDamagedBesideItHoldsUpABlockForAMomentAndTakesNothingWithIt) {
  const RangeSet first({{2, 9}});
  const RangeSet second({{20, 27}});
  const RangeSet both({{2, 27}});
  EXPECT_EQ(receiver_.Store(agent_.Block(first)).stored, first);
  EXPECT_EQ(receiver_.Store(agent_.Block(second)).stored, second);
  receiver_.Damage(20);
  const BatchOutcome outcome = receiver_.Store(agent_.Block(both));
  ASSERT_THAT(outcome.refused, SizeIs(1));
  EXPECT_EQ(outcome.refused[0].refusal, Refusal::kRetry);
  // What is stored there is looked through, a block at a time.
  for (int step = 0; step < 3; ++step) receiver_.Maintain();
  EXPECT_THAT(receiver_.Records(), SizeIs(8));
  // Only what is damaged is lost, unless it comes again.
  EXPECT_EQ(receiver_.Store(agent_.Block(both)).stored, both);
  EXPECT_THAT(receiver_.Records(), SizeIs(26));
  EXPECT_THAT(receiver_.Status().missing, IsEmpty());
}

}  // namespace
}  // namespace doagent::spool
