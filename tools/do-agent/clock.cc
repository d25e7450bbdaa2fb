#include "tools/do-agent/clock.h"

#include <ctime>

#include "spool/check.h"

namespace doagent::agent {
namespace {

Nanoseconds Read(clockid_t clock) {
  std::timespec time{};
  DOAGENT_CHECK(::clock_gettime(clock, &time) == 0);
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

}  // namespace

MonoTime MonotonicNow() {
  return MonoTime(Read(CLOCK_MONOTONIC));
}

// Whoever compares the clocks would take a pause between two readings for a step of one of them.
Instant ReadClocks() {
  constexpr int kAttempts = 4;
  Instant instant;
  for (int i = 0; i < kAttempts; ++i) {
    instant.mono = MonotonicNow();
    instant.wall = WallTime(Read(CLOCK_REALTIME));
    instant.since_boot = Read(CLOCK_BOOTTIME);
    if (MonotonicNow() - instant.mono < std::chrono::milliseconds(1)) break;
  }
  return instant;
}

}  // namespace doagent::agent
