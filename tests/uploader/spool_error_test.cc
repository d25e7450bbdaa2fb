// The uploader on a spool that fails or is damaged.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "spool/sqlite.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/upload_world.h"

namespace doagent::test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using uploader::CloseReason;
using uploader::State;

constexpr std::uint64_t kForGood = 1'000'000'000;

// Changes the spool's file behind its back, as another connection.
void Execute(UploadWorld& world, const std::string& sql) {
  auto database = spool::Database::Open(world.spool->path(), spool::Database::Mode::kReadWrite);
  ASSERT_TRUE(database.has_value());
  ASSERT_TRUE((*database)->Execute(sql).has_value());
}

TEST(SpoolError, IsSurvivedAndShown) {
  FaultVfs vfs;
  UploadWorld world;
  world.Append(5);
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.Cut({CloseReason::kUnreachable, "cut", {}});
  world.Run(seconds(0));
  world.Append(20);
  vfs.FailAt(FaultVfs::Call::kRead, 1, SQLITE_IOERR_READ, kForGood);
  const auto steps = world.steps;
  world.Run(hours(6));
  EXPECT_EQ(world.status().state, State::kStreaming);
  EXPECT_THAT(world.status().spool_error, HasSubstr("disk I/O error"));
  EXPECT_FALSE(world.status().drained);
  EXPECT_LT(world.steps - steps, 6U * 60);

  vfs.Heal();
  world.Append();
  EXPECT_THAT(world.status().spool_error, HasSubstr("disk"));  // not tried before its time
  ASSERT_TRUE(world.RunUntilDrained(minutes(6)));
  EXPECT_THAT(world.Parked(), IsEmpty());
  EXPECT_EQ(world.status().spool_error, "");
  EXPECT_EQ(world.spool_ids.size(), 1U);
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(SpoolError, WhatIsTakenOverFromAnotherFileIsOfferedInTheSameSession) {
  UploadWorld world;
  world.Append(10);
  const SpoolId before = world.spool->spool_id();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(world.spool->path().string() + suffix);
  }
  world.Append();
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  EXPECT_FALSE(world.receiver.Has(before, 10)) << "the test is too late";
  while (world.spool->Claims()->size() < 2) world.Maintain();
  world.Append();
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  EXPECT_TRUE(world.receiver.Has(before, 1));
  EXPECT_TRUE(world.receiver.Has(before, 10));
  EXPECT_THAT(world.Check(), IsEmpty());
}

TEST(SpoolError, RecordsWhoseObjectsAreDamagedDoNotHoldUpOthers) {
  UploadWorld world;
  ASSERT_TRUE(world.RunUntilDrained(minutes(1)));
  world.transport.Cut({CloseReason::kUnreachable, "cut", {}});
  world.Run(seconds(0));
  world.Append(20);
  Execute(world,
          "UPDATE objects SET payload = x'00' WHERE number = (SELECT max(number) FROM objects)");
  Execute(world, "DELETE FROM object_copies");
  ASSERT_TRUE(world.RunUntilDrained(minutes(6)));
  // key_interval 4: the last key is that of the last four rows.
  EXPECT_EQ(world.Parked().size(), 4U);
  EXPECT_THAT(world.Notices(), HasSubstr("is damaged, and so is its copy"));
  EXPECT_THAT(world.Check(), IsEmpty());
}

}  // namespace
}  // namespace doagent::test
