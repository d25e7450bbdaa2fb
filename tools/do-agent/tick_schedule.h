// When snapshots are due: at start + k × interval on the monotonic clock, whatever a tick takes, so
// that nothing drifts and hosts that started at different moments stay apart.
#pragma once

#include <cstdint>

#include "spool/time.h"

namespace doagent::agent {

class TickSchedule {
 public:
  // The first tick is due at `start`. REQUIRES interval > 0.
  TickSchedule(MonoTime start, Nanoseconds interval) : next_(start), interval_(interval) {}

  MonoTime next() const { return next_; }

  // A tick is taken now. Returns how many due ticks are left out because they would all be taken
  // late, at this same moment. REQUIRES now >= next().
  std::uint64_t Take(MonoTime now);

 private:
  MonoTime next_;
  Nanoseconds interval_;
};

}  // namespace doagent::agent
