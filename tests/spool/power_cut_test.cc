// The power goes at every point of a workload: whatever the disk then holds, every record whose
// Append had returned is there, nothing is invented, and the agent's Open succeeds.
// DOAGENT_POWER_CUTS=all takes every unsynced write of every cut for missing and alone.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <unordered_set>

#include "spool/spool.h"
#include "tests/spool/damaged_spools.h"
#include "tests/support/effort.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {
namespace {

using test::FaultVfs;
using test::MakeSnapshot;
using test::RecordName;
using test::TempDir;
using test::TestSpoolOptions;

class Workload {
 public:
  explicit Workload(const std::filesystem::path& folder) : folder_(folder) {
    Open();
    // Until a checkpoint, after which the log begins anew, is near.
    for (int i = 0; i < 410; ++i) Append();
    vfs_.StartJournal(folder_);
    NoteDurable();
  }

  void Run() {
    for (int i = 0; i < 12; ++i) Append();
    spool_->Acknowledge(spool_->spool_id(), *ReceiverId::FromHex(std::string(32, 'a')),
                        RangeSet({{1, 300}}));
    const Snapshot now = MakeSnapshot(tick_);
    EXPECT_TRUE(spool_->Park(spool_->spool_id(), RangeSet({{70, 71}}), "test", now.wall, now.mono));
    NoteDurable();
    for (int i = 0; i < 8; ++i) Append();
    EXPECT_TRUE(spool_->Append(EventOf(EventKind::kStop)));
    NoteDurable();
    spool_.reset();
    NoteDurable();
    Open();
    NoteDurable();
    for (int i = 0; i < 6; ++i) Append();
    spool_.reset();
    records_ = test::ReadEverything(folder_ / "spool.db");
  }

  const FaultVfs& vfs() const { return vfs_; }
  const std::map<RecordName, Record>& records() const { return records_; }
  SpoolId spool_id() const { return spool_id_; }
  // How many records were durable after so many entries of the journal.
  Sequence DurableAt(std::size_t entries) const {
    return std::prev(durable_.upper_bound(entries))->second;
  }

 private:
  Event EventOf(EventKind kind) const {
    const Snapshot now = MakeSnapshot(tick_);
    return {kind, now.wall, now.mono, now.boot_id, "test", SpoolId(), {}, 0};
  }
  void Open() {
    SpoolOptions options = TestSpoolOptions(folder_ / "spool.db", ++openings_);
    options.seal.snapshots = 9;
    options.key_interval = 5;
    auto spool = Spool::Open(options);
    ASSERT_TRUE(spool) << spool.error().Message();
    spool_ = *std::move(spool);
    spool_id_ = spool_->spool_id();
  }
  void Append() {
    ++tick_;
    ASSERT_TRUE(spool_->Append(MakeSnapshot(tick_)));
    NoteDurable();
    while (*spool_->Maintain(MakeSnapshot(tick_).wall, MakeSnapshot(tick_).mono)) NoteDurable();
    NoteDurable();
  }
  void NoteDurable() {
    durable_[vfs_.journal_size()] = spool_ ? spool_->head() : durable_.rbegin()->second;
  }

  const std::filesystem::path folder_;
  FaultVfs vfs_;
  std::unique_ptr<Spool> spool_;
  SpoolId spool_id_;
  std::uint64_t openings_ = 0;
  std::uint64_t tick_ = 0;
  std::map<std::size_t, Sequence> durable_;
  std::map<RecordName, Record> records_;
};

void CheckState(const FaultVfs::Files& files, const Workload& workload, Sequence durable) {
  const TempDir dir(TempDir::Where::kMemory);
  for (const auto& [name, content] : files) {
    std::ofstream(dir.path() / name, std::ios::binary) << content;
  }
  SpoolOptions options = TestSpoolOptions(dir / "spool.db", 99);
  options.wall = MakeSnapshot(5000).wall;
  options.mono = MakeSnapshot(5000).mono;
  {
    const auto spool = Spool::Open(options);
    ASSERT_TRUE(spool) << spool.error().Message();
    EXPECT_EQ((*spool)->spool_id(), workload.spool_id());
  }
  const auto records = test::ReadEverything(dir / "spool.db");
  for (Sequence sequence = 1; sequence <= durable; ++sequence) {
    ASSERT_EQ(records.count({workload.spool_id(), sequence}), 1U) << "record " << sequence;
  }
  for (const auto& [name, record] : records) {
    if (record.time >= options.wall) continue;  // of this opening
    const auto original = workload.records().find(name);
    ASSERT_NE(original, workload.records().end()) << "record " << name.second << " was invented";
    ASSERT_TRUE(test::SameContent(record, original->second)) << "record " << name.second;
  }
}

TEST(PowerCutTest, WhatAppendReturnedForIsThereWhateverTheDiskHolds) {
  const TempDir dir(TempDir::Where::kMemory);
  Workload workload(dir.path());
  workload.Run();
  const bool all = std::getenv("DOAGENT_POWER_CUTS") != nullptr;
  std::unordered_set<std::size_t> seen;
  std::size_t states = 0;
  const std::size_t cuts = workload.vfs().journal_size();
  for (std::size_t cut = 0; cut <= cuts && !testing::Test::HasFailure();
       cut += test::kEveryNthCase) {
    SCOPED_TRACE("cut after " + std::to_string(cut) + " operations");
    workload.vfs().VisitStates(cut, all ? 64 : 2, cut, [&](const FaultVfs::Files& files) {
      std::size_t hash = 0;
      for (const auto& [name, content] : files) {
        hash = hash * 31 + std::hash<std::string>()(name) * 7 + std::hash<std::string>()(content);
      }
      if (!seen.insert(hash).second || testing::Test::HasFailure()) return;
      ++states;
      CheckState(files, workload, workload.DurableAt(cut));
    });
  }
  std::printf("%zu points for a cut, %zu states of the disk, %zu records\n", cuts + 1, states,
              workload.records().size());
}

}  // namespace
}  // namespace doagent::spool
