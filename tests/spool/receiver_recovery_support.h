// A receiver with records of one agent, whose files are damaged, lost or cut off.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "spool/inbox.h"
#include "spool/reader.h"
#include "spool/spool.h"
#include "tests/spool/recovery_support.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/snapshots.h"

namespace doagent::spool {

// A receiver with 31 records of one agent.
class ReceiverRecoveryTest : public RecoveryTest {
 protected:
  ReceiverRecoveryTest() {
    const auto source = *Spool::Open(test::TestSpoolOptions(dir_ / "agent.db", 3));
    for (std::uint64_t tick = 1; tick <= 30; ++tick) {
      EXPECT_TRUE(source->Append(test::MakeSnapshot(tick)));
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
    const auto outcome = inbox_->Store({batch_}, test::MakeSnapshot(31).wall);
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
  void DamageWhileItRuns(test::FaultVfs& vfs) {
    Claim other = claim_;
    other.spool_id = *SpoolId::FromHex(std::string(32, 'b'));
    vfs.FailAt(test::FaultVfs::Call::kWrite, 1, SQLITE_CORRUPT);
    EXPECT_FALSE(inbox_->Register({"agent", false}, other));
    vfs.Heal();
  }

  void Settle() {
    for (int idle = 0; idle < 40;) {
      const auto more = inbox_->Maintain(test::MakeSnapshot(40).wall, test::MakeSnapshot(40).mono);
      ASSERT_TRUE(more) << more.error().Message();
      if (!*more) ++idle;
    }
  }

  void ExpectEverythingThere() {
    Settle();
    const auto reader = Reader::Open(inbox_path_);
    ASSERT_TRUE(reader) << reader.error().Message();
    const auto status = (*reader)->Status();
    ASSERT_TRUE(status);
    ASSERT_THAT(status->origins, ::testing::SizeIs(1));
    EXPECT_EQ(status->origins[0].spool_id, claim_.spool_id);
    EXPECT_EQ(status->origins[0].last_sequence, 31U);
    EXPECT_THAT(status->origins[0].missing, ::testing::IsEmpty());
    Claim claim = claim_;
    claim.first_pending = 1;
    const auto registered = inbox_->Register({"agent", false}, claim);
    ASSERT_TRUE(registered);
    EXPECT_EQ(registered->stored.count(), 31U);
  }

  const std::filesystem::path inbox_path_ = dir_ / "inbox.db";
  Claim claim_;
  IncomingBatch batch_;
  std::unique_ptr<Inbox> inbox_;
};

}  // namespace doagent::spool
