// The program's clocks, read here and nowhere else.
#pragma once

#include "spool/time.h"

namespace doagent::agent {

// One moment on all clocks that matter.
struct Instant {
  WallTime wall;
  MonoTime mono;           // stands still while the machine is suspended
  Nanoseconds since_boot;  // CLOCK_BOOTTIME: goes on meanwhile

  friend bool operator==(const Instant&, const Instant&) = default;
};

// Read within a millisecond of each other, unless the machine is too busy for that.
Instant ReadClocks();
MonoTime MonotonicNow();

}  // namespace doagent::agent
