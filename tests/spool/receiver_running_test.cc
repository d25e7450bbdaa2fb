// What happens to a receiver's spool whose files are removed, replaced, damaged or cut off while it
// runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "spool/inbox.h"
#include "spool/reader.h"
#include "spool/request.h"
#include "spool/set_aside.h"
#include "tests/spool/receiver_recovery_support.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/snapshots.h"

namespace doagent::spool {
namespace {

namespace fs = std::filesystem;
using test::FaultVfs;
using test::MakeSnapshot;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

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

TEST_F(ReceiverRecoveryTest, WhatWasStoredSinceTheClaimIsNoOtherHistory) {
  FaultVfs vfs;
  inbox_.reset();
  fs::remove(inbox_path_);
  inbox_ = OpenInbox();
  // As an agent says at its start: it has written one record so far.
  claim_.current = true;
  claim_.head = 1;
  ASSERT_TRUE(inbox_->Register({"agent", false}, claim_));
  IncomingBatch last = batch_;
  last.records = {batch_.records.back()};
  batch_.records.pop_back();
  vfs.FailAt(FaultVfs::Call::kSync, 1, SQLITE_IOERR_FSYNC);
  EXPECT_FALSE(inbox_->Store({batch_}, MakeSnapshot(31).wall));  // and is there all the same
  const auto stored = inbox_->Store({last}, MakeSnapshot(31).wall);
  ASSERT_TRUE(stored) << stored.error().Message();
  EXPECT_THAT(stored->front().refused, IsEmpty());
  EXPECT_EQ(stored->front().stored.count(), 1U);
  inbox_.reset();
}

TEST_F(ReceiverRecoveryTest, WhatWasForgottenDoesNotComeBackWithAnotherFile) {
  FaultVfs vfs;
  inbox_.reset();
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_->Register({"agent", false}, claim_));
  Claim other = claim_;
  other.spool_id = *SpoolId::FromHex(std::string(32, 'a'));
  ASSERT_TRUE(inbox_->Register({"agent", false}, other));
  ASSERT_TRUE(
      RequestForget(inbox_path_, *PlanToForget(inbox_path_, claim_.spool_id, std::nullopt)));
  Settle();
  DamageWhileItRuns(vfs);
  Settle();
  const auto status = (*Reader::Open(inbox_path_))->Status();
  ASSERT_TRUE(status);
  ASSERT_THAT(status->origins, SizeIs(1));
  EXPECT_EQ(status->origins[0].spool_id, other.spool_id);
  inbox_.reset();
}

TEST_F(ReceiverRecoveryTest, AClaimThatIsRefusedNowHoldsUpNobodyElse) {
  {
    auto other = Inbox::Open({dir_ / "other.db", "test", [this] { return ++seed_; }});
    ASSERT_TRUE(other);
    ASSERT_TRUE((*other)->Register({"somebody else", false}, claim_));
  }
  FaultVfs vfs;
  inbox_.reset();
  inbox_ = OpenInbox();
  IncomingBatch theirs = batch_;
  theirs.spool_id = *SpoolId::FromHex(std::string(32, 'a'));
  Claim claim = claim_;
  claim.spool_id = theirs.spool_id;
  ASSERT_TRUE(inbox_->Register({"third", false}, claim));
  ASSERT_TRUE(inbox_->Register({"agent", false}, claim_));
  // An older file says that the id is another's.
  fs::copy_file(dir_ / "other.db", inbox_path_.string() + ".damaged-19690101T000000Z");
  DamageWhileItRuns(vfs);
  const auto stored = inbox_->Store({batch_, theirs}, MakeSnapshot(31).wall);
  ASSERT_TRUE(stored) << stored.error().Message();
  EXPECT_EQ(stored->at(1).stored.count(), 31U);
  EXPECT_TRUE(stored->at(0).stored.empty());
  EXPECT_FALSE(stored->at(0).claimed);
  EXPECT_FALSE(inbox_->Register({"agent", false}, claim_));
  EXPECT_TRUE(inbox_->Register({"somebody else", false}, claim_));
  inbox_.reset();
}

TEST_F(ReceiverRecoveryTest, WhatIsDamagedWhileItRunsIsReplacedUnderTheSameName) {
  FaultVfs vfs;
  inbox_.reset();
  inbox_ = OpenInbox();
  const ReceiverId id = inbox_->receiver_id();
  ASSERT_TRUE(inbox_->Register({"agent", false}, claim_));
  DamageWhileItRuns(vfs);
  // The sessions go on as if nothing had been.
  const auto stored = inbox_->Store({batch_}, MakeSnapshot(31).wall);
  ASSERT_TRUE(stored) << stored.error().Message();
  EXPECT_EQ(stored->front().stored.count(), 31U);
  EXPECT_EQ(inbox_->receiver_id(), id);
  EXPECT_THAT(FilesSetAside(inbox_path_), SizeIs(1));
  ExpectEverythingThere();
  inbox_.reset();
}

TEST_F(ReceiverRecoveryTest, AFileThatIsRemovedWhileItRunsIsReplacedAndItsRecordsAreKept) {
  const ReceiverId id = inbox_->receiver_id();
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(inbox_path_.string() + suffix);
  // What was acknowledged is known at once, so that nobody need send it again.
  IncomingBatch first = batch_;
  first.records.resize(1);
  const auto stored = inbox_->Store({first}, MakeSnapshot(41).wall);
  ASSERT_TRUE(stored) << stored.error().Message();
  EXPECT_EQ(stored->front().stored.count(), 1U);
  EXPECT_EQ(inbox_->receiver_id(), id);
  EXPECT_THAT(inbox_->TakeNotices(), Contains(HasSubstr("removed or replaced")));
  ExpectEverythingThere();
  inbox_.reset();
  inbox_ = OpenInbox();
  EXPECT_EQ(inbox_->receiver_id(), id);
}

TEST_F(ReceiverRecoveryTest, RemovalsInARowLoseNothing) {
  for (std::size_t i = 0; i < 4; ++i) {
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(inbox_path_.string() + suffix);
    IncomingBatch one = batch_;
    one.records = {batch_.records[i]};
    ASSERT_TRUE(inbox_->Store({one}, MakeSnapshot(41).wall));
  }
  ExpectEverythingThere();
}

TEST_F(ReceiverRecoveryTest, ALogThatIsRemovedWhileItRunsLosesNothing) {
  const std::string log = inbox_path_.string() + "-wal";
  fs::remove(log);
  IncomingBatch first = batch_;
  first.records.resize(1);
  ASSERT_TRUE(inbox_->Store({first}, MakeSnapshot(41).wall));
  // What a crash would leave now.
  const fs::path crashed = dir_ / "crashed.db";
  std::ofstream(crashed, std::ios::binary) << Bytes(inbox_path_);
  std::ofstream(crashed.string() + "-wal", std::ios::binary) << Bytes(log);
  const auto status = (*Reader::Open(crashed))->Status();
  ASSERT_TRUE(status);
  ASSERT_THAT(status->origins, SizeIs(1));
  EXPECT_EQ(status->origins[0].last_sequence, 31U);
}

TEST_F(ReceiverRecoveryTest, AStopFirstTakesOverWhatNobodyElseCould) {
  fs::create_directory(dir_ / "elsewhere");
  for (const char* suffix : {"", "-wal", "-shm"}) {
    fs::rename(inbox_path_.string() + suffix,
               dir_ / "elsewhere" / ("inbox.db" + std::string(suffix)));
  }
  ASSERT_TRUE(inbox_->TakeOverVanished());
  inbox_.reset();
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_->Register({"agent", false}, claim_));
  ExpectEverythingThere();
}

// What is lost in a file that was cut off can still be sent: the same receiver asks for it.
class CutOffReceiverTest : public ReceiverRecoveryTest,
                           public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Files, CutOffReceiverTest, testing::Values("", "-wal"),
                         [](const auto& test) { return *test.param == '\0' ? "Database" : "Log"; });

TEST_P(CutOffReceiverTest, IsReplacedUnderTheSameNameAndAsksForWhatIsLost) {
  const ReceiverId id = inbox_->receiver_id();
  fs::resize_file(inbox_path_.string() + GetParam(), 0);
  IncomingBatch first = batch_;
  first.records.resize(1);
  ASSERT_TRUE(inbox_->Store({first}, MakeSnapshot(41).wall));
  EXPECT_THAT(inbox_->TakeNotices(), Contains(HasSubstr("cut off")));
  Settle();
  EXPECT_EQ(inbox_->receiver_id(), id);
  EXPECT_THAT(FilesSetAside(inbox_path_), SizeIs(1));
  // All of it is in the log. Whoever has sent it learns from claiming it again what is lost.
  auto outcome = inbox_->Store({batch_}, MakeSnapshot(42).wall);
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->front().claimed);
  const auto claimed = inbox_->Register({"agent", false}, claim_);
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->stored.count(), *GetParam() == '\0' ? 31U : 1U);
  outcome = inbox_->Store({batch_}, MakeSnapshot(42).wall);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->front().stored.count(), 31U);
  ExpectEverythingThere();
  inbox_.reset();
  EXPECT_THAT(Findings(inbox_path_), IsEmpty());
}

TEST_F(ReceiverRecoveryTest, ADatabaseThatIsCutOffIsNoticedThoughNothingWasDoneBefore) {
  inbox_.reset();
  inbox_ = OpenInbox();
  const ReceiverId id = inbox_->receiver_id();
  fs::resize_file(inbox_path_, 0);
  ASSERT_TRUE(inbox_->TakeOverVanished());
  EXPECT_THAT(inbox_->TakeNotices(), Contains(HasSubstr("cut off")));
  inbox_.reset();
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_);
  EXPECT_EQ(inbox_->receiver_id(), id);
}

TEST_P(CutOffReceiverTest, IsNoticedByAStop) {
  const ReceiverId id = inbox_->receiver_id();
  fs::resize_file(inbox_path_.string() + GetParam(), 0);
  ASSERT_TRUE(inbox_->TakeOverVanished());
  inbox_.reset();
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_);
  EXPECT_EQ(inbox_->receiver_id(), id);
}

}  // namespace
}  // namespace doagent::spool
