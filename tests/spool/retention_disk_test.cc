// What a spool removes when its disk is short of space, or full.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "spool/layout.h"
#include "spool/spool.h"
#include "tests/spool/retention_support.h"

namespace doagent::spool {
namespace {

using std::chrono::minutes;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(RetentionTest, ADiskThatFillsUpIsSpared) {
  policy_.disk_free_bytes_min = std::uint64_t{1} << 62;
  Open();
  Append(64);
  Acknowledge(1, 33);
  Maintain();
  const Contents contents = Read();
  EXPECT_LT(contents.snapshots.count(), 33U);
  EXPECT_THAT(contents.losses, Not(IsEmpty()));
  EXPECT_THAT(contents.losses[0].reason, ::testing::HasSubstr("are to stay free"));
  CheckLedger();
}

TEST_F(RetentionTest, ADiskThatIsAlmostShortCostsNoMoreThanIsMissing) {
  Open();
  Append(400, 2000);
  // A disk of which the spool has what it has; of that it has to give back what it keeps ahead of
  // its growth, and 100 KiB of records.
  const std::uint64_t size = BytesOnDisk();
  const auto reading = *OpenForReading(dir_ / "spool.db");
  const std::uint64_t ahead =
      size - static_cast<std::uint64_t>(*reading->QueryInteger("PRAGMA page_count")) * 1024;
  policy_.disk_free_bytes_min = ahead + (100 << 10);
  policy_.disk_free_bytes = [this, size]() -> std::optional<std::uint64_t> {
    return size - std::min(size, BytesOnDisk());
  };
  Open();
  Idle(minutes(10));
  const Contents contents = Read();
  ASSERT_THAT(contents.losses, Not(IsEmpty()));
  EXPECT_GT(contents.snapshots.count(), 200U);
  EXPECT_LE(BytesOnDisk(), size - policy_.disk_free_bytes_min);
  CheckLedger();
}

// The kernel refuses to make any file of this process longer than that, as a full disk does.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::uint64_t bytes) {
    previous_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    (void)std::signal(SIGXFSZ, previous_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*previous_handler_)(int) = nullptr;
};

class FullDiskTest : public RetentionTest, public ::testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(LocalOrNot, FullDiskTest, ::testing::Bool());

TEST_P(FullDiskTest, TakesWhatIsNewForTheSpaceOfWhatIsOld) {
  local_ = GetParam();
  Open();
  Append(20, 200);
  const auto file = dir_ / "spool.db";
  {
    const FileSizeLimit limit(std::filesystem::file_size(dir_ / "spool.db-wal"));
    Append(3000, 200);
    EXPECT_EQ(spool_->waiting(), 0U);
    EXPECT_GT(Status().lost_records, 0U) << "the test is too short";
    // No more went than had to.
    const auto reading = *OpenForReading(file);
    const auto free_bytes = *reading->QueryInteger("PRAGMA freelist_count") * 1024;
    EXPECT_LE(free_bytes, 3 * std::filesystem::file_size(file) / 4);
    EXPECT_GT(Read().snapshots.last() + 20, spool_->head());
    CheckLedger();
  }
  // It is over: nothing goes any more.
  const std::uint64_t lost = Status().lost_records;
  Append(500, 200);
  EXPECT_EQ(Status().lost_records, lost);
  CheckLedger();
}

}  // namespace
}  // namespace doagent::spool
