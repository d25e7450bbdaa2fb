// The uploader against the inbox that the receiver program stores with: what one refuses and the
// other does about it fit together.

#include "spool/inbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <random>

#include "spool/check.h"
#include "spool/reader.h"
#include "spool/sqlite.h"
#include "tests/support/temp_dir.h"
#include "tests/support/upload_world.h"

namespace doagent::test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using testing::IsEmpty;
using uploader::CloseReason;
using uploader::RefuseReason;

RefuseReason ReasonOf(spool::Refusal refusal) {
  switch (refusal) {
    case spool::Refusal::kPermanent: return RefuseReason::kPermanent;
    case spool::Refusal::kRetry: return RefuseReason::kRetry;
    case spool::Refusal::kMissingObject: return RefuseReason::kMissingObject;
    case spool::Refusal::kEpochConflict: return RefuseReason::kEpochConflict;
  }
  return RefuseReason::kPermanent;
}

class InboxReceiver final : public ReceiverEnd {
 public:
  InboxReceiver() { Reopen(); }

  void Reopen() {
    inbox_.reset();
    const auto random = std::make_shared<std::mt19937_64>(5);
    auto opened =
        spool::Inbox::Open({.path = folder_ / "inbox.db", .program = "test", .random = [random] {
                              return (*random)();
                            }});
    DOAGENT_CHECK(opened.has_value());
    inbox_ = *std::move(opened);
  }

  uploader::Welcome Register(const std::vector<spool::Claim>& claims) override {
    uploader::Welcome welcome;
    welcome.receiver = inbox_->receiver_id();
    for (const auto& claim : claims) {
      const auto stored = inbox_->Register({"host-1", false}, claim);
      DOAGENT_CHECK(stored.has_value());
      welcome.stored.push_back({claim.spool_id, stored->stored});
      if (stored->conflict) welcome.conflicts.push_back(claim.spool_id);
    }
    return welcome;
  }

  std::vector<uploader::TransportEvent> Store(uploader::OutgoingBatch batch) override {
    const WallTime now(std::chrono::seconds(1'700'000'000));
    if (spoil != nullptr) spoil(batch);
    const auto spool_id = batch.spool_id;
    const auto outcomes = inbox_->Store(
        {{spool_id, std::move(batch.objects), std::move(batch.records), std::move(batch.blocks)}},
        now);
    DOAGENT_CHECK(outcomes.has_value());
    std::vector<uploader::TransportEvent> answers;
    const auto& outcome = outcomes->front();
    if (!outcome.stored.empty()) answers.emplace_back(uploader::Ack{spool_id, outcome.stored});
    for (const auto& refused : outcome.refused) {
      answers.emplace_back(uploader::Refused{spool_id,
                                             spool::RangeSet({refused.range}),
                                             ReasonOf(refused.refusal),
                                             refused.detail,
                                             {},
                                             refused.missing_objects});
    }
    return answers;
  }

  spool::OriginStatus StatusOf(const SpoolId& spool_id) const {
    auto reader = spool::Reader::Open(folder_ / "inbox.db");
    DOAGENT_CHECK(reader.has_value());
    const auto status = (*reader)->Status();
    DOAGENT_CHECK(status.has_value());
    for (const auto& origin : status->origins) {
      if (origin.spool_id == spool_id) return origin;
    }
    return {};
  }

  // What happens to a batch on its way.
  std::function<void(uploader::OutgoingBatch&)> spoil;

 private:
  TempDir folder_{TempDir::Where::kMemory};
  std::unique_ptr<spool::Inbox> inbox_;
};

struct InboxWorld {
  explicit InboxWorld(std::size_t seal_snapshots = 0)
      : world(WithReceiver(&receiver, seal_snapshots)) {}

  static UploadWorld::Options WithReceiver(ReceiverEnd* end, std::size_t seal_snapshots) {
    UploadWorld::Options options;
    options.receiver = end;
    options.seal_snapshots = seal_snapshots;
    return options;
  }

  InboxReceiver receiver;
  UploadWorld world;
};

class UploadInStagesToInbox : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Seals, UploadInStagesToInbox, testing::Values(0, 3, 8, 50));

TEST_P(UploadInStagesToInbox, StoresEverythingOnceAcrossCutsAndRestarts) {
  InboxWorld both(GetParam());
  auto& world = both.world;
  for (int round = 0; round < 5; ++round) {
    world.Append(20);
    world.After(std::chrono::milliseconds(20 * round + 30), [&] {
      world.transport.Cut({CloseReason::kUnreachable, "cut", {}});
    });
    ASSERT_TRUE(world.RunUntilDrained(minutes(10)));
    if (round == 2) both.receiver.Reopen();
    if (round == 3) world.Restart(/*clean=*/false);
  }
  const auto origin = both.receiver.StatusOf(world.spool->spool_id());
  EXPECT_EQ(origin.last_sequence, world.spool->head());
  EXPECT_THAT(origin.missing, IsEmpty());
  EXPECT_THAT(world.Parked(), IsEmpty());
  EXPECT_THAT(world.transport.violations, IsEmpty());
}

TEST(UploadToInbox, SendsLostObjectsAgainLevelByLevel) {
  InboxWorld both;
  auto& world = both.world;
  world.Append(20);
  int batches = 0;
  both.receiver.spoil = [&](uploader::OutgoingBatch& batch) {
    if (batches++ == 0) batch.objects.clear();
  };
  ASSERT_TRUE(world.RunUntilDrained(minutes(10)));
  EXPECT_THAT(both.receiver.StatusOf(world.spool->spool_id()).missing, IsEmpty());
  EXPECT_THAT(world.Parked(), IsEmpty());
}

TEST(UploadToInbox, ADamagedRecordIsSetAsideAlone) {
  InboxWorld both;
  auto& world = both.world;
  world.Append(20);
  both.receiver.spoil = [](uploader::OutgoingBatch& batch) {
    for (auto& record : batch.records) {
      if (record.sequence == 7) record.payload.back() ^= 1;
    }
  };
  ASSERT_TRUE(world.RunUntilDrained(minutes(10)));
  const std::set<FakeReceiver::Name> expected = {{world.spool->spool_id(), 7}};
  EXPECT_EQ(world.Parked(), expected);
}

TEST(UploadToInbox, ADamagedBlockIsSetAsideWhole) {
  InboxWorld both(8);
  auto& world = both.world;
  world.Append(30);
  both.receiver.spoil = [](uploader::OutgoingBatch& batch) {
    for (auto& block : batch.blocks) {
      if (block.range.first == 10) block.payload.back() ^= 1;
    }
  };
  ASSERT_TRUE(world.RunUntilDrained(minutes(10)));
  std::set<FakeReceiver::Name> expected;
  for (Sequence sequence = 10; sequence <= 17; ++sequence) {
    expected.insert({world.spool->spool_id(), sequence});
  }
  EXPECT_EQ(world.Parked(), expected);
  EXPECT_THAT(world.status().counters.records_parked, 8U);
}

TEST(UploadToInbox, WhatGatheredInAnOutageArrivesInBlocks) {
  InboxWorld both(50);
  auto& world = both.world;
  world.Append(3);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.reachable = false;
  world.transport.Cut({CloseReason::kUnreachable, "cut", {}});
  world.Append(20);
  world.transport.reachable = true;
  std::size_t rows = 0;
  std::size_t blocks = 0;
  both.receiver.spoil = [&](uploader::OutgoingBatch& batch) {
    rows += batch.records.size();
    blocks += batch.blocks.size();
  };
  ASSERT_TRUE(world.RunUntilDrained(minutes(10)));
  EXPECT_EQ(blocks, 1U);
  EXPECT_EQ(rows, 0U);
  EXPECT_THAT(both.receiver.StatusOf(world.spool->spool_id()).missing, IsEmpty());
}

TEST(UploadToInbox, ABlockIsSentWholeWhenPartOfItWasDelivered) {
  InboxWorld both(8);
  auto& world = both.world;
  world.Append(5);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.reachable = false;
  world.transport.Cut({CloseReason::kUnreachable, "cut", {}});
  world.Append(20);
  world.transport.reachable = true;
  std::size_t blocks = 0;
  both.receiver.spoil = [&blocks](uploader::OutgoingBatch& batch) {
    blocks += batch.blocks.size();
  };
  ASSERT_TRUE(world.RunUntilDrained(minutes(10)));
  EXPECT_EQ(blocks, 3U);
  const auto origin = both.receiver.StatusOf(world.spool->spool_id());
  EXPECT_EQ(origin.last_sequence, 26U);
  EXPECT_THAT(origin.missing, IsEmpty());
}

TEST_P(UploadInStagesToInbox, ARollbackContinuesUnderANewName) {
  InboxWorld both(GetParam());
  auto& world = both.world;
  world.Append(20);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.TakeImage();
  const auto first_id = world.spool->spool_id();
  world.Append(30);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  const auto first_head = world.spool->head();

  world.RestoreImage();
  world.Append(10);
  ASSERT_TRUE(world.RunUntilDrained(hours(1)));
  EXPECT_NE(world.spool->spool_id(), first_id);
  EXPECT_EQ(both.receiver.StatusOf(first_id).last_sequence, first_head);
  const auto second = both.receiver.StatusOf(world.spool->spool_id());
  EXPECT_EQ(second.first_sequence, 22U);
  EXPECT_EQ(second.last_sequence, world.spool->head());
  EXPECT_THAT(second.missing, IsEmpty());
  EXPECT_THAT(world.Parked(), IsEmpty());
}

TEST(UploadToInbox, TwoOpeningsSinceARollbackLoseNothing) {
  InboxWorld both;
  auto& world = both.world;
  world.Append(20);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.TakeImage();
  world.Append(30);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.reachable = false;
  world.RestoreImage();
  const auto first_id = world.spool->spool_id();
  world.Append(5);
  world.Restart();
  world.Append(5);
  world.transport.reachable = true;
  ASSERT_TRUE(world.RunUntilDrained(hours(2)));
  std::size_t under_old_name = 0;
  for (const auto& [spool_id, record] : world.Records()) {
    under_old_name += spool_id == first_id && record.sequence > 21 ? 1 : 0;
  }
  EXPECT_EQ(world.Parked().size(), under_old_name);
  EXPECT_THAT(both.receiver.StatusOf(world.spool->spool_id()).missing, IsEmpty());
}

TEST(UploadToInbox, WhatIsSalvagedArrivesUnderItsOldName) {
  InboxWorld both;
  auto& world = both.world;
  world.Append(10);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.Cut({CloseReason::kUnreachable, "cut", {}});
  world.Run(hours(0));
  world.Append(20);
  const auto first_id = world.spool->spool_id();
  const auto first_head = world.spool->head();
  auto behind = spool::Database::Open(world.spool->path(), spool::Database::Mode::kReadWrite);
  ASSERT_TRUE(behind.has_value());
  ASSERT_TRUE((*behind)->Execute("ALTER TABLE objects RENAME TO elsewhere").has_value());
  behind->reset();

  // The upload finds that the file is damaged, the next record is the first of a new one.
  world.Run(minutes(1));
  world.Append();
  EXPECT_NE(world.spool->spool_id(), first_id);
  while (world.Maintain()) continue;
  ASSERT_TRUE(world.RunUntilDrained(hours(2)));
  const auto before = both.receiver.StatusOf(first_id);
  EXPECT_EQ(before.last_sequence, first_head);
  EXPECT_THAT(before.missing, IsEmpty());
  EXPECT_EQ(both.receiver.StatusOf(world.spool->spool_id()).last_sequence, world.spool->head());
  EXPECT_THAT(world.Parked(), IsEmpty());
}

}  // namespace
}  // namespace doagent::test
