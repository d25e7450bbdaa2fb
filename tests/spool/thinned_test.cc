// What is lost of ranges that were thinned before: it is counted, though nobody knows any more
// which of the records had been taken.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "spool/layout.h"
#include "spool/reader.h"
#include "spool/spool.h"
#include "spool/sqlite.h"
#include "tests/spool/retention_support.h"
#include "tests/spool/verify_support.h"

namespace doagent::spool {
namespace {

using std::chrono::minutes;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::IsEmpty;
using ::testing::Not;

class ThinnedTest : public RetentionTest {
 protected:
  // A spool with nothing delivered, of which some blocks are thinned and none is dropped.
  void Thin() {
    policy_.bytes_max = 2200 << 10;
    Open();
    Append(1000, 1000);
    for (const Event& event : Read().losses) ASSERT_EQ(event.kind, EventKind::kThinning);
    ASSERT_GT(Rows(), 2);
  }

  std::int64_t Rows() const { return Query("SELECT count(*) FROM removed WHERE kind = 2"); }

  std::int64_t Query(const std::string& query) const {
    return *(*OpenForReading(dir_ / "spool.db"))->QueryInteger(query);
  }

  // Of all origins.
  std::uint64_t Lost() const {
    std::uint64_t lost = 0;
    const auto status = (*Reader::Open(dir_ / "spool.db"))->Status();
    for (const auto& origin : status->origins) {
      lost += origin.lost_records;
    }
    return lost;
  }

  // All that is intact is taken over into a new file.
  void DamageAndOpenAgain() {
    spool_.reset();
    std::fstream(dir_ / "spool.db", std::ios::in | std::ios::out | std::ios::binary)
        << std::string(1024, '\x55');
    Open();
    Idle(minutes(5));
  }

  void ExpectAllExplained() const {
    const auto status = (*Reader::Open(dir_ / "spool.db"))->Status();
    for (const auto& origin : status->origins) EXPECT_THAT(origin.missing, IsEmpty());
    EXPECT_THAT(Verify(dir_ / "spool.db").findings, IsEmpty());
  }

  // How many snapshots are in the oldest block, which goes.
  std::int64_t DeleteOldestBlock() {
    const std::uint64_t before = Read().snapshots.count();
    Sql(dir_ / "spool.db", "DELETE FROM blocks WHERE id = (SELECT min(id) FROM blocks)");
    return static_cast<std::int64_t>(before - Read().snapshots.count());
  }
};

TEST_F(ThinnedTest, StatusAndVerifyTellWhatIsMissing) {
  Thin();
  ASSERT_THAT(Status().missing, IsEmpty());
  ASSERT_THAT(Verify(dir_ / "spool.db").findings, IsEmpty());
  const std::int64_t gone = DeleteOldestBlock();
  ASSERT_GT(gone, 0);
  std::int64_t missing = 0;
  for (const auto& range : Status().missing) missing += static_cast<std::int64_t>(range.count());
  EXPECT_EQ(missing, gone);
  const auto verified = Verify(dir_ / "spool.db");
  EXPECT_THAT(verified.findings, Not(IsEmpty()));
  EXPECT_EQ(verified.origins[0].missing_records, static_cast<std::uint64_t>(gone));
}

TEST_F(ThinnedTest, AnImpossibleRangeHidesNoOther) {
  Thin();
  const std::int64_t gone = DeleteOldestBlock();
  Sql(dir_ / "spool.db", "INSERT INTO removed VALUES(1, 2, 1, 0, 0)");
  EXPECT_EQ(Verify(dir_ / "spool.db").origins[0].missing_records, static_cast<std::uint64_t>(gone));
}

TEST_F(ThinnedTest, AnEpochCutsARangeInTwo) {
  Thin();
  const std::int64_t first = Query("SELECT min(first) FROM removed WHERE kind = 2");
  const std::int64_t last =
      Query("SELECT last FROM removed WHERE kind = 2 AND first = " + std::to_string(first));
  const std::uint64_t lost = Lost();
  ASSERT_TRUE(
      spool_->StartNewEpoch(static_cast<Sequence>((first + last) / 2), "a test", Wall(), mono_));
  ExpectAllExplained();
  EXPECT_EQ(Lost(), lost);
  // Nothing is lost by a salvage, and nothing is counted twice.
  DamageAndOpenAgain();
  ExpectAllExplained();
  EXPECT_EQ(Lost(), lost);
  EXPECT_EQ(Read().snapshots.count() + Lost(), tick_);
}

TEST_F(ThinnedTest, ASalvageCountsWhatIsLost) {
  Thin();
  DeleteOldestBlock();
  DamageAndOpenAgain();
  EXPECT_EQ(Read().snapshots.count() + Lost(), tick_);
  // What was counted once is not counted again.
  DamageAndOpenAgain();
  EXPECT_EQ(Read().snapshots.count() + Lost(), tick_);
  ExpectAllExplained();
}

TEST_F(ThinnedTest, ASalvageCountsWhatIsLostWhereOnlyEventsTell) {
  Thin();
  Sql(dir_ / "spool.db", "DELETE FROM removed; DELETE FROM ledger");
  EXPECT_THAT(Status().missing, IsEmpty());
  DeleteOldestBlock();
  DamageAndOpenAgain();
  EXPECT_EQ(Read().snapshots.count() + Lost(), tick_);
  EXPECT_GT(Rows(), 2);
  ExpectAllExplained();
}

TEST_F(ThinnedTest, WhatIsLostOfAFileThatIsCutOffIsCounted) {
  Thin();
  const Sequence head = spool_->head();
  const SpoolId before = spool_->spool_id();
  std::filesystem::resize_file(dir_ / "spool.db", 0);
  Append(1, 1000);
  ASSERT_NE(spool_->spool_id(), before);
  Idle(minutes(5));
  EXPECT_THAT(spool_->TakeNotices(), Contains(ContainsRegex("; [1-9][0-9]* were not in it")));
  std::uint64_t there = 0;
  ASSERT_TRUE((*Reader::Open(dir_ / "spool.db"))
                  ->Visit(
                      {},
                      [&](const Record& record) {
                        if (record.spool_id == before) ++there;
                        return true;
                      },
                      [](const Error& error) { ADD_FAILURE() << error.Message(); }));
  EXPECT_EQ(there + Lost(), head);
  ExpectAllExplained();
}

TEST_F(ThinnedTest, NothingIsKeptOfItWhenTheBlockIsGone) {
  Thin();
  const std::int64_t before = Rows();
  // What is delivered goes before anything else is thinned.
  Acknowledge(1, 400);
  while (Query("SELECT count(*) FROM removed WHERE kind = 1") == 0) Append(20, 1000);
  EXPECT_LT(Rows(), before);
  EXPECT_EQ(Query("SELECT count(*) FROM removed AS thinned JOIN removed AS evicted "
                  "ON thinned.kind = 2 AND evicted.kind = 1 AND thinned.first <= evicted.last "
                  "AND thinned.last >= evicted.first"),
            0);
  spool_.reset();
  EXPECT_THAT(Verify(dir_ / "spool.db").findings, IsEmpty());
}

}  // namespace
}  // namespace doagent::spool
