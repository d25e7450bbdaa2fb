#include "tools/do-agent/recorder.h"

#include <algorithm>
#include <utility>

#include "tools/cli/duration.h"

namespace doagent::agent {
namespace {

constexpr const char* kStoring = "storing";
constexpr const char* kLateness = "lateness";

// A gap that goes on for longer than this is entered before it ends, part by part.
constexpr Nanoseconds kGapPartMax = std::chrono::minutes(10);

std::string SignedSeconds(Nanoseconds duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  std::string digits = std::to_string(std::abs(ms) % 1000);
  digits.insert(0, 3 - digits.size(), '0');
  return (ms < 0 ? "-" : "+") + std::to_string(std::abs(ms) / 1000) + "." + digits + " s";
}

}  // namespace

Recorder::Recorder(RecorderOptions options, const Instant& start, spdlog::logger& log)
    : options_(std::move(options)), log_(log), states_(log), watch_(start) {}

void Recorder::Tick(const Instant& now, std::uint64_t late) {
  const ClockChange change = watch_.Observe(now);
  NoteStep(now, change.stepped);
  bool gap_grows = NoteGaps(now, change, late);

  options_.collect(now, snapshot_);
  StoreStep();  // before the first snapshot of the new time
  if (!StoreSnapshot(now)) gap_grows = true;
  // Once a gap has ended, and not at each tick of a machine that is always late.
  const auto since = gaps_.since();
  if (since && (!gap_grows || now.wall - *since > kGapPartMax)) StoreGaps(now);
}

bool Recorder::Stop(const Instant& now, const std::string& reason) {
  StoreStep();
  StoreGaps(now);
  spool::Event stop;
  stop.kind = spool::EventKind::kStop;
  stop.reason = reason;
  return StoreEvent(std::move(stop), now);
}

bool Recorder::NoteGaps(const Instant& now, const ClockChange& change, std::uint64_t late) {
  const auto slept = static_cast<std::uint64_t>(change.suspended / options_.interval);
  if (slept > 0) {
    const std::string lasted =
        cli::FormatDuration(std::chrono::floor<std::chrono::milliseconds>(change.suspended));
    log_.info("the machine was suspended for " + lasted);
    gaps_.Add(GapCause::kSuspended, slept, now.wall - change.suspended,
              "the machine was suspended for " + lasted);
  }
  if (late > 0) {
    states_.Begin(kLateness, cli::LogLevel::kWarning,
                  "snapshots come late, and " + std::to_string(late) +
                      " had to be left out: the machine is overloaded or the interval too short",
                  now.mono);
    gaps_.Add(GapCause::kLate, late, now.wall - options_.interval * static_cast<std::int64_t>(late),
              "");
  } else {
    states_.End(kLateness, "snapshots are in time again", now.mono);
  }
  counts_.not_taken += slept + late;
  return late > 0;
}

void Recorder::NoteStep(const Instant& now, Nanoseconds stepped) {
  if (stepped == Nanoseconds(0)) return;
  ++counts_.clock_steps;
  log_.info("the wall clock stepped by " + SignedSeconds(stepped));
  step_ += stepped;
  step_at_ = now;
}

void Recorder::StoreStep() {
  if (!step_at_) return;
  spool::Event event;
  event.kind = spool::EventKind::kClockStep;
  event.reason = "the wall clock stepped by " + SignedSeconds(step_);
  StoreEvent(std::move(event), *step_at_);
  step_at_.reset();
  step_ = Nanoseconds(0);
}

bool Recorder::StoreSnapshot(const Instant& now) {
  const auto stored = options_.append_snapshot(snapshot_);
  if (stored) {
    ++counts_.stored;
    states_.End(kStoring, "snapshots are stored again", now.mono);
    return true;
  }
  Failed(stored.error(), now);
  if (stored.error().code != ErrorCode::kRefuse) {
    ++counts_.delayed;
    return true;
  }
  ++counts_.rejected;
  gaps_.Add(GapCause::kRejected, 1, now.wall, stored.error().Message());
  return false;
}

void Recorder::StoreGaps(const Instant& now) {
  while (auto event = gaps_.Next()) {
    StoreEvent(*std::move(event), now);
    gaps_.SettleNext();
  }
}

bool Recorder::StoreEvent(spool::Event event, const Instant& now) {
  event.wall = now.wall;
  event.mono = now.mono;
  event.boot_id = options_.boot_id;
  const auto stored = options_.append_event(event);
  if (!stored) Failed(stored.error(), now);
  return stored.has_value();
}

void Recorder::Failed(const Error& error, const Instant& now) {
  const std::string next = error.code == ErrorCode::kRefuse
                               ? "; collection goes on, and what cannot be stored is counted"
                               : "; collection goes on, and snapshots wait in memory";
  states_.Begin(kStoring, cli::LogLevel::kError, error.Message() + next, now.mono);
}

}  // namespace doagent::agent
