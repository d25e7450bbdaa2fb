// What happens to a receiver's spool whose files are damaged.

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

TEST_F(ReceiverRecoveryTest, ADamagedFileIsSalvaged) {
  const ReceiverId id = inbox_->receiver_id();
  inbox_.reset();
  DamageInbox();
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_);
  EXPECT_THAT(inbox_->TakeNotices(), Contains(HasSubstr("damaged")));
  EXPECT_EQ(inbox_->receiver_id(), id);
  ExpectEverythingThere();
}

TEST_F(ReceiverRecoveryTest, WhatIsLostCountsAsNeverStored) {
  inbox_.reset();
  DamageInbox();
  DamageRecord(10);
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_);
  Settle();
  Claim claim = claim_;
  claim.first_pending = 1;
  const auto registered = inbox_->Register({"agent", false}, claim);
  ASSERT_TRUE(registered);
  EXPECT_EQ(registered->stored.count(), 30U);
  EXPECT_FALSE(registered->stored.Contains(11));
  const auto status = (*Reader::Open(inbox_path_))->Status();
  EXPECT_EQ(status->origins[0].lost_records, 1U);
  // The agent still has it.
  const auto again = inbox_->Store({batch_}, MakeSnapshot(41).wall);
  ASSERT_TRUE(again) << again.error().Message();
  EXPECT_EQ(again->front().stored.count(), 31U);
  EXPECT_THAT((*Reader::Open(inbox_path_))->Status()->origins[0].missing, IsEmpty());
}

TEST_F(ReceiverRecoveryTest, AgentsMaySendWhatIsBeingTakenOver) {
  const std::string database = Bytes(inbox_path_);
  const std::string log = Bytes(inbox_path_.string() + "-wal");
  inbox_.reset();
  // The log is long: there is much to be looked at.
  for (int steps = 0; steps < 40; ++steps) {
    for (const fs::path& aside : FilesSetAside(inbox_path_)) RemoveSetAside(aside);
    std::ofstream(inbox_path_, std::ios::binary)
        << std::string(1024, '\x55') +
               database.substr(std::min<std::size_t>(1024, database.size()));
    std::ofstream(inbox_path_.string() + "-wal", std::ios::binary) << log;
    inbox_ = OpenInbox();
    ASSERT_TRUE(inbox_);
    for (int step = 0; step < steps; ++step) {
      ASSERT_TRUE(inbox_->Maintain(MakeSnapshot(40).wall, MakeSnapshot(40).mono));
    }
    ASSERT_TRUE(inbox_->Register({"agent", false}, claim_));
    const auto stored = inbox_->Store({batch_}, MakeSnapshot(31).wall);
    ASSERT_TRUE(stored) << "after " << steps << " steps: " << stored.error().Message();
    EXPECT_EQ(stored->front().stored.count(), 31U);
    EXPECT_THAT(stored->front().refused, IsEmpty());
    EXPECT_THAT(FilesSetAside(inbox_path_), SizeIs(1));
    ExpectEverythingThere();
    inbox_.reset();
  }
}

TEST_F(ReceiverRecoveryTest, ALogThatIsTakenOverCountsAsStored) {
  const std::string database = Bytes(inbox_path_);
  std::string log = Bytes(inbox_path_.string() + "-wal");
  inbox_.reset();
  // SQLite finds none of its commits.
  log[0] = static_cast<char>(log[0] ^ 4);
  std::ofstream(inbox_path_, std::ios::binary) << database;
  std::ofstream(inbox_path_.string() + "-wal", std::ios::binary) << log;
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_);
  ASSERT_TRUE(inbox_->Register({"agent", false}, claim_));
  const auto stored = inbox_->Store({batch_}, MakeSnapshot(31).wall);
  ASSERT_TRUE(stored) << stored.error().Message();
  EXPECT_EQ(stored->front().stored.count(), 31U);
  ExpectEverythingThere();
}

TEST_F(ReceiverRecoveryTest, ALogThatWasTakenOverOnceIsNotTakenForTheNextFiles) {
  std::vector<Claim> claims = {claim_, claim_, claim_};
  claims[1].spool_id = *SpoolId::FromHex(std::string(32, 'b'));
  claims[2].spool_id = *SpoolId::FromHex(std::string(32, 'c'));
  for (const Claim& claim : claims) {
    ASSERT_TRUE(inbox_->Register({"agent", false}, claim));
    IncomingBatch batch = batch_;
    batch.spool_id = claim.spool_id;
    ASSERT_TRUE(inbox_->Store({batch}, MakeSnapshot(31).wall));
  }
  // Some of it is in its log alone, which is damaged; so is then the file that has taken it over.
  const std::string database = Bytes(inbox_path_);
  std::string log = Bytes(inbox_path_.string() + "-wal");
  inbox_.reset();
  log[0] = static_cast<char>(log[0] ^ 4);
  std::ofstream(inbox_path_, std::ios::binary) << database;
  std::ofstream(inbox_path_.string() + "-wal", std::ios::binary) << log;
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_);
  // The numbers of the origins are others in the next file.
  ASSERT_TRUE(
      RequestForget(inbox_path_, *PlanToForget(inbox_path_, claims[1].spool_id, std::nullopt)));
  Settle();
  inbox_.reset();
  DamageInbox();
  for (int start = 0; start < 2; ++start) {
    inbox_ = OpenInbox();
    ASSERT_TRUE(inbox_);
    Settle();
    for (const Claim& claim : {claims[0], claims[2]}) {
      Claim whole = claim;
      whole.first_pending = 1;
      const auto registered = inbox_->Register({"agent", false}, whole);
      ASSERT_TRUE(registered);
      EXPECT_EQ(registered->stored.count(), 31U);
      EXPECT_FALSE(registered->conflict);
    }
    EXPECT_THAT((*Reader::Open(inbox_path_))->Status()->origins, SizeIs(2));
    inbox_.reset();
  }
}

TEST_F(ReceiverRecoveryTest, ADamagedPrincipalLocksNobodyOut) {
  inbox_.reset();
  {
    // The page of the origins: their ids stand in an index as well.
    std::fstream file(inbox_path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(3 * 1024);
    file << std::string(1024, '\0');
  }
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_);
  EXPECT_THAT(FilesSetAside(inbox_path_), SizeIs(1));
  ASSERT_TRUE(inbox_->Register({"agent", false}, claim_));
  EXPECT_FALSE(inbox_->Register({"somebody else", false}, claim_));
  ExpectEverythingThere();
}

TEST_F(ReceiverRecoveryTest, WhatIsLostIsCountedOnceHoweverOftenTheFileIsDamaged) {
  inbox_.reset();
  DamageRecord(10);
  for (int time = 0; time < 3; ++time) {
    DamageInbox();
    inbox_ = OpenInbox();
    ASSERT_TRUE(inbox_);
    Settle();
    EXPECT_EQ((*Reader::Open(inbox_path_))->Status()->origins[0].lost_records, 1U);
    inbox_.reset();
  }
}

TEST_F(ReceiverRecoveryTest, TheLastRecordsCountAsLostToo) {
  inbox_.reset();
  DamageInbox();
  DamageRecord(29);
  DamageRecord(30);
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_);
  Settle();
  EXPECT_EQ((*Reader::Open(inbox_path_))->Status()->origins[0].lost_records, 2U);
}

TEST_F(ReceiverRecoveryTest, NobodyElseCanClaimWhatIsStillToBeTakenOver) {
  inbox_.reset();
  DamageInbox();
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_);
  const auto registered = inbox_->Register({"somebody else", false}, claim_);
  ASSERT_FALSE(registered);
  EXPECT_EQ(registered.error().code, ErrorCode::kRefuse);
}

TEST_F(ReceiverRecoveryTest, AFullDiskWhileAFileIsReplacedCostsOneSetOfFiles) {
  FaultVfs vfs;
  inbox_.reset();
  inbox_ = OpenInbox();
  ASSERT_TRUE(inbox_->Register({"agent", false}, claim_));
  DamageWhileItRuns(vfs);
  for (std::uint64_t written = 1; written < 40; written += 3) {
    vfs.FailAt(FaultVfs::Call::kWrite, written, SQLITE_FULL, 1'000'000);
    (void)inbox_->Store({batch_}, MakeSnapshot(31).wall);
  }
  vfs.Heal();
  const auto stored = inbox_->Store({batch_}, MakeSnapshot(31).wall);
  ASSERT_TRUE(stored) << stored.error().Message();
  EXPECT_THAT(FilesSetAside(inbox_path_), SizeIs(1));
  EXPECT_THAT(inbox_->TakeNotices(), Contains(HasSubstr("damaged")));
  ExpectEverythingThere();
  inbox_.reset();
}

TEST_F(ReceiverRecoveryTest, WhatIsToBeForgottenIsForgottenThoughTheFileIsReplaced) {
  ASSERT_TRUE(
      RequestForget(inbox_path_, *PlanToForget(inbox_path_, claim_.spool_id, std::nullopt)));
  inbox_.reset();
  DamageInbox();
  inbox_ = OpenInbox();
  Settle();
  EXPECT_THAT((*Reader::Open(inbox_path_))->Status()->origins, IsEmpty());
}

TEST_F(ReceiverRecoveryTest, WhereTheLastOriginWasForgottenNothingComesBackUnderAnotherName) {
  ASSERT_TRUE(
      RequestForget(inbox_path_, *PlanToForget(inbox_path_, claim_.spool_id, std::nullopt)));
  Settle();
  // After a crash its records are still in the log.
  const std::string database = Bytes(inbox_path_);
  const std::string log = Bytes(inbox_path_.string() + "-wal");
  inbox_.reset();
  std::ofstream(inbox_path_, std::ios::binary) << database;
  std::ofstream(inbox_path_.string() + "-wal", std::ios::binary) << log;
  DamageInbox();
  inbox_ = OpenInbox();
  Settle();
  EXPECT_THAT((*Reader::Open(inbox_path_))->Status()->origins, IsEmpty());
}

}  // namespace
}  // namespace doagent::spool
