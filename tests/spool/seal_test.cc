// Rows become sealed blocks: when, which, and that nobody who reads can tell.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spool/layout.h"
#include "spool/reader.h"
#include "spool/run_reader.h"
#include "spool/spool.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {
namespace {

using test::MakeSnapshot;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

WallTime At(std::uint64_t tick) {
  return MakeSnapshot(tick).wall;
}

class SealTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open() {
    spool_.reset();
    SpoolOptions options = test::TestSpoolOptions(path_, ++opens_);
    options.key_interval = 10;
    options.seal = {20, std::chrono::minutes(10), 8};
    auto spool = Spool::Open(options);
    ASSERT_TRUE(spool) << spool.error().Message();
    spool_ = *std::move(spool);
  }

  void Append(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t tick = first; tick <= last; ++tick) {
      const auto appended = spool_->Append(MakeSnapshot(tick));
      ASSERT_TRUE(appended) << appended.error().Message();
    }
  }

  void AppendEvent(EventKind kind) {
    const Snapshot now = MakeSnapshot(1);
    const auto appended =
        spool_->Append(Event{kind, now.wall, now.mono, now.boot_id, "test", SpoolId(), {}, 0});
    ASSERT_TRUE(appended) << appended.error().Message();
  }

  // How many steps had something to do.
  int Maintain(WallTime now) {
    int steps = 0;
    for (;;) {
      const auto more = spool_->Maintain(now, MonoTime());
      EXPECT_TRUE(more) << more.error().Message();
      if (!more || !*more) return steps;
      ++steps;
    }
  }

  std::vector<SequenceRange> Blocks() {
    const auto database = *OpenForReading(path_);
    BlockReader blocks = *BlockReader::Prepare(*database);
    std::vector<SequenceRange> ranges;
    for (Sequence next = 1;;) {
      const auto block = *blocks.FindHead(1, next, kSequenceMax);
      if (!block) return ranges;
      ranges.push_back(block->range);
      next = block->range.last + 1;
    }
  }

  std::int64_t Count(const std::string& of) {
    const auto database = *OpenForReading(path_);
    return *database->QueryInteger("SELECT count(*) FROM " + of);
  }

  std::vector<Record> Records(const RecordFilter& filter = {}) {
    const auto reader = *Reader::Open(path_);
    std::vector<Record> records;
    const auto visited = reader->Visit(
        filter,
        [&records](const Record& record) {
          records.push_back(record);
          return true;
        },
        [](const Error& error) { ADD_FAILURE() << error.Message(); });
    EXPECT_TRUE(visited) << visited.error().Message();
    return records;
  }

  const test::TempDir dir_;
  const std::filesystem::path path_ = dir_ / "spool.db";
  std::unique_ptr<Spool> spool_;
  std::uint64_t opens_ = 0;
};

TEST_F(SealTest, NobodyWhoReadsCanTell) {
  Append(1, 15);
  AppendEvent(EventKind::kGap);
  Append(16, 45);
  const auto before = Records();
  EXPECT_EQ(Maintain(At(45)), 2);
  EXPECT_THAT(Blocks(), ElementsAre(SequenceRange{2, 22}, SequenceRange{23, 42}));
  const auto after = Records();
  ASSERT_THAT(after, SizeIs(before.size()));
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i].sequence, before[i].sequence);
    EXPECT_EQ(after[i].time, before[i].time);
    ASSERT_EQ(after[i].content.index(), before[i].content.index());
    if (const auto* snapshot = std::get_if<Snapshot>(&before[i].content)) {
      EXPECT_TRUE(SameContent(std::get<Snapshot>(after[i].content), *snapshot));
    }
  }
  const SpoolStatus status = *(*Reader::Open(path_))->Status();
  EXPECT_EQ(status.origins[0].pending_records, before.size());
  EXPECT_THAT(status.origins[0].missing, IsEmpty());
  EXPECT_EQ(status.series, 14U);
}

TEST_F(SealTest, ReadsByTimeWithinBlocks) {
  Append(1, 40);
  Maintain(At(40));
  RecordFilter filter;
  filter.from = At(15);
  filter.to = At(25);
  std::vector<Sequence> sequences;
  for (const auto& record : Records(filter)) sequences.push_back(record.sequence);
  EXPECT_THAT(sequences, ElementsAre(16, 17, 18, 19, 20, 21, 22, 23, 24, 25));
}

TEST_F(SealTest, AShortRunIsSealedWhenItIsOld) {
  Append(1, 5);
  EXPECT_EQ(Maintain(At(5) + std::chrono::minutes(9)), 0);
  EXPECT_THAT(Blocks(), IsEmpty());
  EXPECT_EQ(Maintain(At(5) + std::chrono::minutes(10)), 1);
  EXPECT_THAT(Blocks(), ElementsAre(SequenceRange{2, 6}));
}

TEST_F(SealTest, ABacklogIsSealedFromWhatIsPending) {
  Append(1, 4);
  spool_->Acknowledge(spool_->spool_id(), *ReceiverId::FromBytes("receiver-receive"),
                      RangeSet({{1, 3}}));
  spool_->SealBacklog();
  EXPECT_THAT(Blocks(), IsEmpty()) << "too few";
  Append(5, 30);
  const auto before = Records();
  spool_->SealBacklog();
  EXPECT_THAT(Blocks(), ElementsAre(SequenceRange{4, 23}, SequenceRange{24, 31}));
  const auto pending = *spool_->NextPending(spool_->spool_id(), {}, 1 << 20);
  ASSERT_TRUE(pending.block);
  EXPECT_EQ(pending.block->range, (SequenceRange{4, 23}));
  const auto after = Records();
  ASSERT_THAT(after, SizeIs(before.size()));
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i].content.index(), before[i].content.index());
    EXPECT_EQ(after[i].sequence, before[i].sequence);
  }
  // What came before is no backlog; a run that is cut off is sealed with the next step.
  EXPECT_EQ(Count("records"), 3);
  Maintain(At(31));
  Append(31, 60);
  Maintain(At(60));
  EXPECT_EQ(Blocks().front(), (SequenceRange{2, 3}));
}

TEST_F(SealTest, WhatAnEarlierOpeningLeftIsSealedOnceTheNextGoesOn) {
  Append(1, 5);
  Open();
  Append(6, 7);
  EXPECT_EQ(Maintain(At(7)), 1);
  EXPECT_THAT(Blocks(), ElementsAre(SequenceRange{2, 6}));
}

TEST_F(SealTest, AClockStepEndsABlock) {
  Append(1, 10);
  AppendEvent(EventKind::kClockStep);
  Append(11, 25);
  Maintain(At(25));
  EXPECT_THAT(Blocks(), ElementsAre(SequenceRange{2, 11}));
}

TEST_F(SealTest, ADamagedRowStaysWhereItIs) {
  Append(1, 25);
  {
    const auto database = *Database::Open(path_, Database::Mode::kReadWrite);
    ASSERT_TRUE(database->Execute("UPDATE records SET checksum = checksum + 1 WHERE id = " +
                                  std::to_string(PackId(1, 7))));
  }
  Maintain(At(25));
  EXPECT_THAT(Blocks(), ElementsAre(SequenceRange{2, 22}));
  EXPECT_EQ(Count("records WHERE id = " + std::to_string(PackId(1, 7))), 1);
  const auto reader = *Reader::Open(path_);
  std::vector<std::string> damaged;
  std::size_t good = 0;
  ASSERT_TRUE(reader->Visit(
      {}, [&good](const Record&) { return ++good > 0; },
      [&damaged](const Error& error) { damaged.push_back(error.where); }));
  EXPECT_EQ(good, 25U);
  EXPECT_THAT(damaged, ElementsAre(::testing::HasSubstr("record 7")));
}

// Readers once waited at such an event for ever.
TEST_F(SealTest, ABlockThatClaimsAnEventsSequenceHoldsUpNobody) {
  Append(1, 10);
  AppendEvent(EventKind::kGap);
  Append(11, 25);
  Maintain(At(25));
  ASSERT_THAT(Blocks(), ElementsAre(SequenceRange{2, 22}));
  {
    const auto database = *Database::Open(path_, Database::Mode::kReadWrite);
    ASSERT_TRUE(database->Execute("UPDATE blocks SET holes = x''"));
  }
  const auto reader = *Reader::Open(path_);
  std::vector<Sequence> good;
  std::size_t damaged = 0;
  ASSERT_TRUE(reader->Visit(
      {},
      [&good](const Record& record) {
        good.push_back(record.sequence);
        return true;
      },
      [&damaged](const Error&) { ++damaged; }));
  EXPECT_THAT(good, ElementsAre(1, 12, 23, 24, 25, 26, 27));
  EXPECT_GE(damaged, 1U);
  EXPECT_FALSE(spool_->Read(spool_->spool_id(), {12, 12})->records.empty());
}

TEST_F(SealTest, UnusedObjectsGo) {
  for (std::uint64_t tick = 1; tick <= 400; tick += 20) {
    Append(tick, tick + 19);
    Maintain(At(tick + 19));
  }
  EXPECT_THAT(Blocks(), SizeIs(20));
  // Two schemas, their layout, and of the keys those of four seals at most.
  EXPECT_LE(Count("objects"), 3 + 1 + 4 * 2);
  EXPECT_EQ(Count("object_copies"), Count("objects"));
  // The key that the next row hangs on is still there although no row named it.
  Append(401, 402);
  EXPECT_THAT(Records(), SizeIs(1 + 402));
}

TEST_F(SealTest, PendingBlocksComeWholeAndTheEventsInTheirHolesApart) {
  Append(1, 10);
  AppendEvent(EventKind::kGap);
  Append(11, 22);
  Maintain(At(22));
  ASSERT_THAT(Blocks(), ElementsAre(SequenceRange{2, 22}));
  const SpoolId id = spool_->spool_id();
  RangeSet busy;
  std::vector<RangeSet> pieces;
  for (;;) {
    const auto pending = *spool_->NextPending(id, busy, 1 << 20);
    if (pending.empty()) break;
    pieces.push_back(pending.block ? SequencesOf(*pending.block) : SequencesOf(pending.records));
    busy.Add(pieces.back());
  }
  EXPECT_THAT(pieces, ElementsAre(RangeSet({{1, 1}}), RangeSet({{2, 11}, {13, 22}}),
                                  RangeSet({{12, 12}}), RangeSet({{23, 24}})));
  // Half of it delivered: the block is still pending, as a whole.
  spool_->Acknowledge(id, *ReceiverId::FromBytes("receiver-receive"), RangeSet({{1, 15}}));
  const auto rest = *spool_->NextPending(id, {}, 1 << 20);
  ASSERT_TRUE(rest.block);
  EXPECT_EQ(rest.block->range, (SequenceRange{2, 22}));
}

TEST_F(SealTest, ABlockStaysReadableWhenItsRowsWereRead) {
  Append(1, 25);
  const auto rows = *spool_->NextPending(spool_->spool_id(), {}, 1 << 20);
  ASSERT_THAT(rows.records, SizeIs(26));
  Maintain(At(25));
  for (int i = 0; i < 3; ++i) {  // until the keys are swept
    Append(26 + 20U * static_cast<unsigned>(i), 45 + 20U * static_cast<unsigned>(i));
    Maintain(At(45 + 20U * static_cast<unsigned>(i)));
  }
  EXPECT_FALSE(spool_->Objects({rows.records[1].key}));
  // Who was about to send them reads again, and finds the block.
  const auto again = *spool_->Read(spool_->spool_id(), {2, 26});
  ASSERT_TRUE(again.block);
  EXPECT_TRUE(spool_->Objects(again.block->layouts));
}

TEST_F(SealTest, AnEpochMaySplitABlock) {
  Append(1, 20);
  Maintain(At(20));
  ASSERT_THAT(Blocks(), ElementsAre(SequenceRange{2, 21}));
  const Snapshot now = MakeSnapshot(20);
  const auto new_id = spool_->StartNewEpoch(12, "test", now.wall, now.mono);
  ASSERT_TRUE(new_id) << new_id.error().Message();
  EXPECT_THAT(Blocks(), ElementsAre(SequenceRange{2, 11}));
  const auto moved = *spool_->NextPending(*new_id, {}, 1 << 20);
  ASSERT_TRUE(moved.block);
  EXPECT_EQ(moved.block->range, (SequenceRange{12, 21}));
  EXPECT_THAT(Records(), SizeIs(1 + 20 + 1));
}

}  // namespace
}  // namespace doagent::spool
