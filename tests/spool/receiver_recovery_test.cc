// What happens to a receiver's spool whose files are damaged.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "spool/inbox.h"
#include "spool/reader.h"
#include "spool/request.h"
#include "spool/set_aside.h"
#include "spool/spool.h"
#include "tests/spool/recovery_support.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/snapshots.h"

namespace doagent::spool {
namespace {

namespace fs = std::filesystem;
using test::FaultVfs;
using test::MakeSnapshot;
using test::TestSpoolOptions;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A receiver with 31 records of one agent.
class ReceiverRecoveryTest : public RecoveryTest {
 protected:
  ReceiverRecoveryTest() {
    const auto source = *Spool::Open(TestSpoolOptions(dir_ / "agent.db", 3));
    for (std::uint64_t tick = 1; tick <= 30; ++tick) {
      EXPECT_TRUE(source->Append(MakeSnapshot(tick)));
    }
    claim_ = source->Claims()->front();
    batch_.spool_id = claim_.spool_id;
    batch_.records = (*source->NextPending(claim_.spool_id, {}, 1 << 20)).records;
    std::vector<ObjectId> keys;
    for (const auto& record : batch_.records) {
      if (record.kind == RecordKind::kRow) keys.push_back(record.key);
    }
    batch_.objects = *source->Objects(keys);
    inbox_ = OpenInbox();
    EXPECT_TRUE(inbox_->Register({"agent", false}, claim_));
    const auto outcome = inbox_->Store({batch_}, MakeSnapshot(31).wall);
    EXPECT_TRUE(outcome);
    EXPECT_EQ(outcome->front().stored.count(), 31U);
  }

  std::unique_ptr<Inbox> OpenInbox() {
    auto inbox = Inbox::Open({inbox_path_, "test", [this] { return ++seed_; }});
    EXPECT_TRUE(inbox) << inbox.error().Message();
    return inbox ? *std::move(inbox) : nullptr;
  }

  void DamageInbox() const {
    std::fstream(inbox_path_, std::ios::in | std::ios::out | std::ios::binary)
        << std::string(1024, '\x55');
  }

  // A row in its table, in whatever page it is.
  void DamageRecord(std::size_t index) const {
    const std::string& payload = batch_.records[index].payload;
    const auto at = Bytes(inbox_path_).find(payload);
    ASSERT_NE(at, std::string::npos);
    std::fstream file(inbox_path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(payload[0] ^ 1));
  }

  // As SQLite would find it.
  void DamageWhileItRuns(FaultVfs& vfs) {
    Claim other = claim_;
    other.spool_id = *SpoolId::FromHex(std::string(32, 'b'));
    vfs.FailAt(FaultVfs::Call::kWrite, 1, SQLITE_CORRUPT);
    EXPECT_FALSE(inbox_->Register({"agent", false}, other));
    vfs.Heal();
  }

  void Settle() {
    for (int step = 0; step < 100; ++step) {
      ASSERT_TRUE(inbox_->Maintain(MakeSnapshot(40).wall, MakeSnapshot(40).mono));
    }
  }

  void ExpectEverythingThere() {
    Settle();
    const auto status = (*Reader::Open(inbox_path_))->Status();
    ASSERT_TRUE(status);
    ASSERT_THAT(status->origins, SizeIs(1));
    EXPECT_EQ(status->origins[0].spool_id, claim_.spool_id);
    EXPECT_EQ(status->origins[0].last_sequence, 31U);
    EXPECT_THAT(status->origins[0].missing, IsEmpty());
    Claim claim = claim_;
    claim.first_pending = 1;
    const auto registered = inbox_->Register({"agent", false}, claim);
    ASSERT_TRUE(registered);
    EXPECT_EQ(registered->stored.count(), 31U);
  }

  const fs::path inbox_path_ = dir_ / "inbox.db";
  Claim claim_;
  IncomingBatch batch_;
  std::unique_ptr<Inbox> inbox_;
};

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
