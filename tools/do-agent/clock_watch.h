// Notices what the clocks did between two ticks: steps of the wall clock, suspensions.
#pragma once

#include "spool/time.h"
#include "tools/do-agent/clock.h"

namespace doagent::agent {

struct ClockChange {
  Nanoseconds stepped{0};  // how far the wall clock jumped, forward or (negative) back; 0: no step
  Nanoseconds suspended{0};  // how long the machine slept; 0: it did not
};

// A step is where the wall clock gained or lost more than a second, and more than a thousandth of
// the time that passed (twice what NTP may slew), against the time since boot. That clock, unlike
// the monotonic one, goes on in a suspension, which is therefore no step.
class ClockWatch {
 public:
  explicit ClockWatch(const Instant& start) : last_(start) {}

  ClockChange Observe(const Instant& now);

 private:
  Instant last_;
};

}  // namespace doagent::agent
