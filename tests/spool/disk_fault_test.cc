// A disk that fails: every call of every kind, one after the other, and random mixtures. Whatever
// fails, collection goes on; and when the disk works again, what was collected is what is stored
// together with what the ledger says is not.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "spool/reader.h"
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
using test::TempDir;
using test::TestSpoolOptions;
using Call = FaultVfs::Call;

// An agent that goes on whatever its spool says.
class Agent {
 public:
  explicit Agent(std::filesystem::path path) : path_(std::move(path)) {}

  // False: not now.
  bool Open() {
    SpoolOptions options = TestSpoolOptions(path_, ++openings_);
    options.seal.snapshots = 6;
    options.key_interval = 4;
    options.wall = MakeSnapshot(tick_).wall;
    options.mono = MakeSnapshot(tick_).mono;
    auto spool = Spool::Open(options);
    if (!spool) {
      // A passing failure is never a verdict on the file.
      EXPECT_NE(spool.error().code, ErrorCode::kRefuse) << spool.error().Message();
      return false;
    }
    spool_ = *std::move(spool);
    return true;
  }

  void Tick() {
    ++tick_;
    ++collected_;
    const auto stored = spool_->Append(MakeSnapshot(tick_));
    if (!stored) {
      EXPECT_NE(stored.error().code, ErrorCode::kRefuse) << stored.error().Message();
    }
    for (int step = 0; step < 4; ++step) {
      const auto more = spool_->Maintain(MakeSnapshot(tick_).wall, MakeSnapshot(tick_).mono);
      if (!more || !*more) break;
    }
  }

  // What is in memory goes with it, unless the commit that failed was on the disk all the same.
  void Stop() {
    uncertain_ += spool_->waiting();
    spool_.reset();
  }
  bool running() const { return spool_ != nullptr; }
  std::size_t waiting() const { return spool_->waiting(); }

  // That the snapshots which were collected are those that are stored, with those that the ledger
  // counts.
  void Check() {
    for (bool more = true; more;) {
      const auto step = spool_->Maintain(MakeSnapshot(tick_).wall, MakeSnapshot(tick_).mono);
      ASSERT_TRUE(step) << step.error().Message();
      more = *step;
    }
    ASSERT_EQ(spool_->waiting(), 0U);
    // Whose commit failed and whose file then had to be replaced may be in both, under both names.
    std::map<std::int64_t, std::set<SpoolId>> stored;
    for (const auto& [name, record] : test::ReadEverything(path_)) {
      const auto* snapshot = std::get_if<Snapshot>(&record.content);
      if (snapshot == nullptr) continue;
      EXPECT_TRUE(stored[UnixNanoseconds(record.time)].insert(name.first).second) << "twice";
      const auto tick = static_cast<std::uint64_t>((record.time - MakeSnapshot(0).wall) /
                                                   (MakeSnapshot(1).wall - MakeSnapshot(0).wall));
      EXPECT_TRUE(test::SameSnapshot(*snapshot, MakeSnapshot(tick)));
    }
    const auto status = (*Reader::Open(path_))->Status();
    ASSERT_TRUE(status);
    std::uint64_t lost = 0;
    for (const auto& origin : status->origins) {
      lost += origin.lost_records;
      EXPECT_TRUE(origin.missing.empty());
    }
    EXPECT_LE(stored.size() + lost, collected_);
    EXPECT_GE(stored.size() + lost, collected_ - uncertain_);
  }

 private:
  const std::filesystem::path path_;
  std::unique_ptr<Spool> spool_;
  std::uint64_t openings_ = 0;
  std::uint64_t tick_ = 0;
  std::uint64_t collected_ = 0;
  std::uint64_t uncertain_ = 0;
};

struct Fault {
  const char* name;
  Call call;
  int code;
  std::uint64_t more;  // calls that fail behind the first
};

class EveryCallTest : public ::testing::TestWithParam<Fault> {};

TEST_P(EveryCallTest, FailsOnceAndNothingIsLost) {
  const Fault fault = GetParam();
  std::uint64_t nth = 1;
  for (bool met = true; met && !HasFailure(); nth += test::kEveryNthCase) {
    SCOPED_TRACE("call " + std::to_string(nth));
    const TempDir dir(TempDir::Where::kMemory);
    FaultVfs vfs;
    Agent agent(dir / "spool.db");
    vfs.FailAt(fault.call, nth, fault.code, fault.more);
    if (!agent.Open()) {
      ASSERT_TRUE(vfs.failed());
      vfs.Heal();
      ASSERT_TRUE(agent.Open());
    }
    for (int tick = 0; tick < 15; ++tick) agent.Tick();
    met = vfs.failed();
    vfs.Heal();
    for (int tick = 0; tick < 3; ++tick) agent.Tick();
    agent.Check();
    agent.Stop();
    ASSERT_TRUE(agent.Open());
    agent.Check();
    agent.Stop();
  }
  std::printf("%s: up to call %lu, each failed in turn\n", fault.name, nth - 1);
  EXPECT_GE(nth, 2U);
}

INSTANTIATE_TEST_SUITE_P(
    All, EveryCallTest,
    ::testing::Values(Fault{"Open", Call::kOpen, SQLITE_CANTOPEN, 0},
                      Fault{"Read", Call::kRead, SQLITE_IOERR_READ, 0},
                      Fault{"ReadAgain", Call::kRead, SQLITE_IOERR_READ, 5},
                      Fault{"Write", Call::kWrite, SQLITE_IOERR_WRITE, 0},
                      Fault{"WriteAgain", Call::kWrite, SQLITE_IOERR_WRITE, 30},
                      Fault{"Full", Call::kWrite, SQLITE_FULL, 0},
                      Fault{"FullAgain", Call::kWrite, SQLITE_FULL, 30},
                      Fault{"Sync", Call::kSync, SQLITE_IOERR_FSYNC, 0},
                      Fault{"SyncAgain", Call::kSync, SQLITE_IOERR_FSYNC, 3},
                      Fault{"Truncate", Call::kTruncate, SQLITE_IOERR_TRUNCATE, 0},
                      Fault{"Size", Call::kSize, SQLITE_IOERR_FSTAT, 0},
                      Fault{"SharedMemory", Call::kShm, SQLITE_IOERR_SHMMAP, 0}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(DiskFaultTest, ALongFailureFillsTheMemoryAndTheRestIsAGap) {
  const TempDir dir(TempDir::Where::kMemory);
  FaultVfs vfs;
  Agent agent(dir / "spool.db");
  ASSERT_TRUE(agent.Open());
  for (int tick = 0; tick < 5; ++tick) agent.Tick();
  vfs.FailAt(Call::kWrite, 1, SQLITE_IOERR_WRITE, ~std::uint64_t{0});
  for (int tick = 0; tick < 700; ++tick) agent.Tick();
  EXPECT_EQ(agent.waiting(), 600U);
  vfs.Heal();
  agent.Tick();
  agent.Check();
}

TEST(DiskFaultTest, AnyMixtureOfFaultsLeavesWhatWasCollectedInTheSpoolOrInTheLedger) {
  constexpr std::uint64_t kRuns = 200 / test::kEveryNthCase;
  constexpr Fault kFaults[] = {
      {"", Call::kOpen, SQLITE_CANTOPEN, 0},     {"", Call::kRead, SQLITE_IOERR_READ, 0},
      {"", Call::kWrite, SQLITE_IOERR_WRITE, 0}, {"", Call::kWrite, SQLITE_FULL, 0},
      {"", Call::kSync, SQLITE_IOERR_FSYNC, 0},  {"", Call::kShm, SQLITE_IOERR_SHMMAP, 0}};
  for (std::uint64_t seed = 1; seed <= kRuns && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto below = [&random](std::uint64_t bound) { return random() % bound; };
    const TempDir dir(TempDir::Where::kMemory);
    FaultVfs vfs;
    Agent agent(dir / "spool.db");
    for (int step = 0; step < 60; ++step) {
      if (below(4) == 0) {
        const Fault& fault = kFaults[below(std::size(kFaults))];
        vfs.FailAt(fault.call, 1 + below(30), fault.code, below(3) == 0 ? below(60) : 0);
      }
      if (below(6) == 0) vfs.Heal();
      if (agent.running() && below(12) == 0) {
        agent.Stop();
      } else if (!agent.running()) {
        (void)agent.Open();
      } else {
        agent.Tick();
      }
    }
    vfs.Heal();
    ASSERT_TRUE(agent.running() || agent.Open());
    agent.Tick();
    agent.Check();
    agent.Stop();
  }
}

}  // namespace
}  // namespace doagent::spool
