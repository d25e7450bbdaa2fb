// A tick, from the collectors into the spool: what is collected is stored at once, or kept in
// memory by a spool that fails; what is neither (late, suspended, too large) is counted and entered
// as soon as it can be. Collection never stops because storing fails. Not thread-safe.
#pragma once

#include <spdlog/logger.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "spool/ids.h"
#include "spool/model.h"
#include "spool/result.h"
#include "spool/time.h"
#include "tools/cli/state_log.h"
#include "tools/do-agent/clock.h"
#include "tools/do-agent/clock_watch.h"
#include "tools/do-agent/gap_ledger.h"

namespace doagent::agent {

// What the recorder works on; the program gives it a collector and a spool.
struct RecorderOptions {
  Nanoseconds interval{};
  BootId boot_id;
  // Fills the snapshot, whose storage is reused.
  std::function<void(const Instant&, spool::Snapshot&)> collect;
  // As Spool::Append: after an error other than kRefuse the record waits in memory.
  std::function<Result<Sequence>(const spool::Snapshot&)> append_snapshot;
  std::function<Result<Sequence>(const spool::Event&)> append_event;
};

struct RecorderCounts {
  std::uint64_t stored = 0;
  std::uint64_t delayed = 0;    // not stored at once: the spool kept them in memory
  std::uint64_t rejected = 0;   // more than a record may hold
  std::uint64_t not_taken = 0;  // late or suspended
  std::uint64_t clock_steps = 0;

  friend bool operator==(const RecorderCounts&, const RecorderCounts&) = default;
};

class Recorder {
 public:
  // REQUIRES that the logger outlives this.
  Recorder(RecorderOptions options, const Instant& start, spdlog::logger& log);

  // Takes and stores a snapshot. `late` is how many ticks before it were left out.
  void Tick(const Instant& now, std::uint64_t late);

  // Stores what is still to be said and the stop event, after which nothing may come. False: it is
  // not on the disk, and what waited in memory before it is not either.
  bool Stop(const Instant& now, const std::string& reason);

  const RecorderCounts& counts() const { return counts_; }

 private:
  // True: there is a gap that may go on. (A suspension is over.)
  bool NoteGaps(const Instant& now, const ClockChange& change, std::uint64_t late);
  void NoteStep(const Instant& now, Nanoseconds stepped);
  void StoreStep();
  // False: it is refused, for good.
  bool StoreSnapshot(const Instant& now);
  void StoreGaps(const Instant& now);
  bool StoreEvent(spool::Event event, const Instant& now);
  void Failed(const Error& error, const Instant& now);

  const RecorderOptions options_;
  spdlog::logger& log_;
  cli::StateLog states_;
  ClockWatch watch_;
  GapLedger gaps_;
  // A step that no event tells of yet.
  std::optional<Instant> step_at_;
  Nanoseconds step_{0};
  spool::Snapshot snapshot_;
  RecorderCounts counts_;
};

}  // namespace doagent::agent
