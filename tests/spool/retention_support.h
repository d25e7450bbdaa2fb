// A spool over which time passes, and what is left in it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <variant>
#include <vector>

#include "spool/layout.h"
#include "spool/reader.h"
#include "spool/spool.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {

inline constexpr std::size_t kBlock = 16;

class RetentionTest : public ::testing::Test {
 protected:
  void Open() {
    spool_.reset();
    options_ = test::TestSpoolOptions(dir_ / "spool.db", ++opens_);
    options_.seal.snapshots = kBlock;
    options_.local = local_;
    options_.retention = policy_;
    options_.wall = Wall();
    options_.mono = mono_;
    auto spool = Spool::Open(options_);
    ASSERT_TRUE(spool) << spool.error().Message();
    spool_ = *std::move(spool);
  }

  WallTime Wall() const { return test::MakeSnapshot(0).wall + (mono_ - MonoTime()) + wall_ahead_; }

  void Pass(Nanoseconds time) { mono_ += time; }

  // A snapshot an interval, as an agent takes them; wide ones fill a spool sooner.
  void Append(int count, int series = 0) {
    const SchemaPtr wide = series > 0 ? test::MakeSchema("wide", series) : nullptr;
    for (int i = 0; i < count; ++i) {
      Pass(interval_);
      Snapshot snapshot = test::MakeSnapshot(++tick_);
      if (wide) snapshot.sections = {test::MakeSection(wide, tick_)};
      snapshot.wall = Wall();
      snapshot.mono = mono_;
      const auto sequence = spool_->Append(snapshot);
      ASSERT_TRUE(sequence) << sequence.error().Message();
      Maintain();
    }
  }

  void Maintain() {
    for (;;) {
      const auto more = spool_->Maintain(Wall(), mono_);
      ASSERT_TRUE(more) << more.error().Message();
      if (!*more) break;
    }
  }

  // Time passes while nothing is collected; the spool is looked after as ever.
  void Idle(Nanoseconds time) {
    for (Nanoseconds passed{0}; passed < time; passed += std::chrono::minutes(1)) {
      Pass(std::chrono::minutes(1));
      Maintain();
    }
  }

  void Acknowledge(Sequence first, Sequence last) {
    spool_->Acknowledge(spool_->spool_id(), *ReceiverId::FromBytes("receiver-receive"),
                        RangeSet({{first, last}}));
  }

  struct Contents {
    RangeSet snapshots;
    RangeSet events;
    std::vector<Event> losses;
  };

  Contents Read() {
    Contents contents;
    const auto visited = (*Reader::Open(dir_ / "spool.db"))
                             ->Visit(
                                 {},
                                 [&contents](const Record& record) {
                                   const SequenceRange one{record.sequence, record.sequence};
                                   if (const auto* event = std::get_if<Event>(&record.content)) {
                                     contents.events.Add(one);
                                     if (event->count > 0) contents.losses.push_back(*event);
                                   } else {
                                     contents.snapshots.Add(one);
                                   }
                                   return true;
                                 },
                                 [](const Error& error) { ADD_FAILURE() << error.Message(); });
    EXPECT_TRUE(visited);
    return contents;
  }

  static std::uint64_t CountWithin(const RangeSet& sequences, SequenceRange range) {
    std::uint64_t count = 0;
    for (const auto& part : sequences.Within(range)) count += part.count();
    return count;
  }

  OriginStatus Status() { return (*(*Reader::Open(dir_ / "spool.db"))->Status()).origins[0]; }

  std::uint64_t FileBytes() {
    return std::filesystem::file_size(dir_ / "spool.db") +
           std::filesystem::file_size(dir_ / "spool.db-wal");
  }

  // With what is kept for the growth of the file.
  std::uint64_t BytesOnDisk(const char* file = "spool.db") const {
    struct stat status {};
    EXPECT_EQ(stat((dir_ / file).c_str(), &status), 0) << file;
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }

  // Everything that was collected is there or explained, and the count of what is lost is right.
  void CheckLedger() {
    const Contents contents = Read();
    const OriginStatus status = Status();
    EXPECT_THAT(status.missing, ::testing::IsEmpty());
    std::uint64_t lost = 0;
    for (const Event& event : contents.losses) {
      if (event.kind != EventKind::kPark) lost += event.count;
    }
    // In a local spool the events themselves may go; the totals stay.
    if (local_) {
      EXPECT_GE(status.lost_records, lost);
    } else {
      EXPECT_EQ(status.lost_records, lost);
    }
  }

  const test::TempDir dir_{test::TempDir::Where::kMemory};
  RetentionPolicy policy_;
  bool local_ = false;
  SpoolOptions options_;
  std::unique_ptr<Spool> spool_;
  std::uint64_t opens_ = 0;
  std::uint64_t tick_ = 0;
  MonoTime mono_{std::chrono::hours(1)};
  Nanoseconds wall_ahead_{0};
  Nanoseconds interval_ = std::chrono::seconds(10);
};

}  // namespace doagent::spool
