#include "tools/do-agent/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <chrono>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "tools/do-agent/tick_schedule.h"

namespace doagent::agent {
namespace {

using namespace std::chrono_literals;
using spool::EventKind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A spool that fails when told to, keeps what it could not store in memory, and remembers what it
// took.
struct FakeSpool {
  using Record = std::variant<spool::Snapshot, spool::Event>;
  std::optional<Error> failure;
  bool refuse_snapshots = false;
  std::vector<Record> waiting;
  std::vector<Record> records;

  Result<Sequence> Append(Record record) {
    if (refuse_snapshots && std::holds_alternative<spool::Snapshot>(record)) {
      return Fail(ErrorCode::kRefuse, "spool.db", "too large");
    }
    waiting.push_back(std::move(record));
    if (failure) return Fail(*failure);
    for (auto& one : waiting) records.push_back(std::move(one));
    waiting.clear();
    return records.size();
  }

  // "snapshot", or the event's name and count: `gap 3`.
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& record : records) {
      const auto* event = std::get_if<spool::Event>(&record);
      names.push_back(event == nullptr
                          ? "snapshot"
                          : std::string(spool::Name(event->kind)) +
                                (event->count > 0 ? " " + std::to_string(event->count) : ""));
    }
    return names;
  }
  const spool::Event& EventAt(std::size_t index) const {
    return std::get<spool::Event>(records.at(index));
  }
};

const Error kDiskFull{ErrorCode::kEvict, "spool.db", "the disk is full"};

class RecorderTest : public testing::Test {
 protected:
  static Instant At(Nanoseconds passed) {
    return {FromUnixNanoseconds(1'700'000'000'000'000'000) + passed,
            FromBootNanoseconds(5'000'000'000) + passed, 5s + passed};
  }

  RecorderOptions Options() {
    RecorderOptions options;
    options.interval = 10s;
    options.boot_id = *BootId::FromHex("0123456789abcdef0123456789abcdef");
    options.collect = [this](const Instant& now, spool::Snapshot& snapshot) {
      ++collected_;
      snapshot.wall = now.wall;
    };
    options.append_snapshot = [this](const spool::Snapshot& snapshot) {
      return spool_.Append(snapshot);
    };
    options.append_event = [this](const spool::Event& event) { return spool_.Append(event); };
    return options;
  }

  std::ostringstream log_text_;
  std::shared_ptr<spdlog::logger> log_ =
      cli::MakeLogger("test", cli::LogLevel::kInfo, cli::LogStyle::kJournal,
                      std::make_shared<spdlog::sinks::ostream_sink_mt>(log_text_));
  FakeSpool spool_;
  int collected_ = 0;
  Recorder recorder_{Options(), At(0s), *log_};
};

TEST_F(RecorderTest, ATickIsASnapshotAndTheStopIsTheLastRecord) {
  recorder_.Tick(At(0s), 0);
  recorder_.Tick(At(10s), 0);
  EXPECT_TRUE(recorder_.Stop(At(12s), "SIGTERM"));
  EXPECT_THAT(spool_.Names(), ElementsAre("snapshot", "snapshot", "stop"));
  const spool::Event& stop = spool_.EventAt(2);
  EXPECT_EQ(stop.reason, "SIGTERM");
  EXPECT_EQ(stop.wall, At(12s).wall);
  EXPECT_EQ(stop.mono, At(12s).mono);
  EXPECT_EQ(stop.boot_id.Hex(), "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(recorder_.counts(), (RecorderCounts{2, 0, 0, 0, 0}));
  EXPECT_EQ(log_text_.str(), "");
}

TEST_F(RecorderTest, WhatCannotBeStoredAtOnceIsNoGap) {
  recorder_.Tick(At(0s), 0);
  spool_.failure = kDiskFull;
  for (int i = 1; i <= 3; ++i) recorder_.Tick(At(i * 10s), 0);
  EXPECT_EQ(collected_, 4) << "collection goes on";
  spool_.failure.reset();
  recorder_.Tick(At(40s), 0);

  EXPECT_THAT(spool_.Names(),
              ElementsAre("snapshot", "snapshot", "snapshot", "snapshot", "snapshot"));
  EXPECT_EQ(recorder_.counts(), (RecorderCounts{2, 3, 0, 0, 0}));
  EXPECT_EQ(log_text_.str(),
            "<3>spool.db: the disk is full; collection goes on, and snapshots wait in memory\n"
            "<6>snapshots are stored again (lasted 30s, seen 3 times)\n");
}

TEST_F(RecorderTest, AStopThatIsNotOnTheDiskIsNone) {
  spool_.failure = kDiskFull;
  recorder_.Tick(At(0s), 0);
  EXPECT_FALSE(recorder_.Stop(At(5s), "SIGTERM"));
  EXPECT_THAT(spool_.Names(), IsEmpty());
}

TEST_F(RecorderTest, GapsOfSeveralCausesAreEnteredOneByOne) {
  recorder_.Tick(At(0s), 0);
  spool_.refuse_snapshots = true;
  recorder_.Tick(At(30s), 2);
  spool_.refuse_snapshots = false;
  recorder_.Tick(At(40s), 0);
  EXPECT_THAT(spool_.Names(), ElementsAre("snapshot", "snapshot", "gap 2", "rejection 1"));
  EXPECT_THAT(spool_.EventAt(2).reason, HasSubstr("not taken in time"));
  EXPECT_THAT(spool_.EventAt(3).reason, HasSubstr("refused since"));
  EXPECT_THAT(spool_.EventAt(3).reason, HasSubstr("too large"));
}

TEST_F(RecorderTest, SnapshotsThatAreRefusedOneByOneLeaveNoTrailOfEvents) {
  spool_.refuse_snapshots = true;
  for (int i = 0; i < 20; ++i) recorder_.Tick(At(i * 10s), 0);
  EXPECT_THAT(spool_.Names(), IsEmpty());
  EXPECT_TRUE(recorder_.Stop(At(200s), "SIGTERM"));
  EXPECT_THAT(spool_.Names(), ElementsAre("rejection 20", "stop"));
}

TEST_F(RecorderTest, TicksLeftOutAreEnteredWhenTheyAreInTimeAgain) {
  recorder_.Tick(At(0s), 0);
  recorder_.Tick(At(35s), 2);
  recorder_.Tick(At(55s), 1);
  recorder_.Tick(At(60s), 0);
  EXPECT_THAT(spool_.Names(), ElementsAre("snapshot", "snapshot", "snapshot", "snapshot", "gap 3"));
  EXPECT_THAT(spool_.EventAt(4).reason, HasSubstr("not taken in time since"));
  EXPECT_EQ(recorder_.counts(), (RecorderCounts{4, 0, 0, 3, 0}));
  EXPECT_THAT(log_text_.str(), HasSubstr("<4>snapshots come late, and 2 had to be left out"));
  EXPECT_THAT(log_text_.str(), HasSubstr("in time again (lasted 25s, seen 2 times)"));
}

TEST_F(RecorderTest, AMachineThatIsAlwaysLateIsToldOfNowAndThen) {
  for (int i = 0; i < 100; ++i) recorder_.Tick(At(i * 20s), i == 0 ? 0 : 1);
  std::uint64_t told = 0;
  std::size_t events = 0;
  for (const auto& record : spool_.records) {
    const auto* event = std::get_if<spool::Event>(&record);
    if (event == nullptr) continue;
    told += event->count;
    ++events;
  }
  EXPECT_GE(told, 60U);
  EXPECT_LE(events, 4U);
}

TEST_F(RecorderTest, ASuspensionIsAGapAndNoClockStep) {
  recorder_.Tick(At(0s), 0);
  Instant woken = At(10s);
  woken.wall += 1h;
  woken.since_boot += 1h;
  recorder_.Tick(woken, 0);
  Instant later = woken;
  later.wall += 10s;
  later.mono += 10s;
  later.since_boot += 10s;
  recorder_.Tick(later, 0);
  EXPECT_THAT(spool_.Names(), ElementsAre("snapshot", "snapshot", "gap 360", "snapshot"));
  EXPECT_THAT(spool_.EventAt(2).reason, HasSubstr("the machine was suspended for 1h"));
  EXPECT_EQ(recorder_.counts(), (RecorderCounts{3, 0, 0, 360, 0}));
}

TEST_F(RecorderTest, AClockStepStandsBeforeTheFirstSnapshotOfTheNewTime) {
  recorder_.Tick(At(0s), 0);
  Instant stepped = At(10s);
  stepped.wall -= 90min;
  recorder_.Tick(stepped, 0);
  EXPECT_THAT(spool_.Names(), ElementsAre("snapshot", "clock_step", "snapshot"));
  EXPECT_EQ(spool_.EventAt(1).reason, "the wall clock stepped by -5400.000 s");
  EXPECT_EQ(spool_.EventAt(1).wall, stepped.wall);
  EXPECT_EQ(spool_.EventAt(1).mono, stepped.mono);
  EXPECT_EQ(recorder_.counts().clock_steps, 1U);
}

TEST(ClockWatch, SlewingAndNoiseAreNoStep) {
  const Instant start{FromUnixNanoseconds(0), FromBootNanoseconds(0), 0s};
  const auto observe = [&start](Nanoseconds wall, Nanoseconds mono, Nanoseconds boot) {
    ClockWatch watch(start);
    const ClockChange change =
        watch.Observe({start.wall + wall, start.mono + mono, start.since_boot + boot});
    return std::pair(change.stepped, change.suspended);
  };
  const auto nothing = std::pair(Nanoseconds(0), Nanoseconds(0));
  EXPECT_EQ(observe(10s, 10s, 10s), nothing);
  EXPECT_EQ(observe(10s + 999ms, 10s, 10s), nothing);
  EXPECT_EQ(observe(9s + 1ms, 10s, 10s), nothing);
  EXPECT_EQ(observe(1h + 1800ms, 1h, 1h), nothing) << "NTP slews up to half a millisecond a second";
  EXPECT_EQ(observe(10s, 10s, 10s + 19ms), nothing);
  EXPECT_EQ(observe(11s + 1ms, 10s, 10s), std::pair(Nanoseconds(1001ms), Nanoseconds(0)));
  EXPECT_EQ(observe(0s, 10s, 10s), std::pair(Nanoseconds(-10s), Nanoseconds(0)));
  EXPECT_EQ(observe(1h + 3601ms, 1h, 1h), std::pair(Nanoseconds(3601ms), Nanoseconds(0)));
  EXPECT_EQ(observe(70s, 10s, 70s), std::pair(Nanoseconds(0), Nanoseconds(60s)));
  EXPECT_EQ(observe(170s, 10s, 70s), std::pair(Nanoseconds(100s), Nanoseconds(60s)));
}

TEST(TickSchedule, KeepsToItsGridWhateverATickTakes) {
  const MonoTime start = FromBootNanoseconds(123);
  TickSchedule schedule(start, 10s);
  EXPECT_EQ(schedule.next(), start);
  EXPECT_EQ(schedule.Take(start + 3s), 0U);
  EXPECT_EQ(schedule.next(), start + 10s);
  EXPECT_EQ(schedule.Take(start + 10s), 0U);
  EXPECT_EQ(schedule.Take(start + 30s - 1ns), 0U);
  EXPECT_EQ(schedule.Take(start + 30s), 0U);
  EXPECT_EQ(schedule.Take(start + 65s), 2U) << "40 is taken now; 50 and 60 are left out";
  EXPECT_EQ(schedule.next(), start + 70s);
}

RC_GTEST_PROP(TickSchedule, TakenAndLeftOutAreAllThereWere, ()) {
  TickSchedule schedule(FromBootNanoseconds(0), 10ns);
  MonoTime now = FromBootNanoseconds(0);
  std::uint64_t ticks = 0;
  for (const int wait : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 100))) {
    now = std::max(schedule.next(), now) + Nanoseconds(wait);
    ticks += 1 + schedule.Take(now);
    RC_ASSERT(schedule.next() > now);
    RC_ASSERT(schedule.next() <= now + 10ns);
  }
  RC_ASSERT(schedule.next() == FromBootNanoseconds(0) + ticks * 10ns);
}

}  // namespace
}  // namespace doagent::agent
