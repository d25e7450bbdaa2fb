#include "tools/do-agent/clock_watch.h"

#include <algorithm>

namespace doagent::agent {
namespace {

constexpr Nanoseconds kStepMin = std::chrono::seconds(1);
// Clocks are not read at the same instant; less than this is that.
constexpr Nanoseconds kSuspensionMin = std::chrono::milliseconds(20);

}  // namespace

ClockChange ClockWatch::Observe(const Instant& now) {
  const Nanoseconds wall = now.wall - last_.wall;
  const Nanoseconds mono = now.mono - last_.mono;
  const Nanoseconds passed = now.since_boot - last_.since_boot;
  last_ = now;

  ClockChange change;
  const Nanoseconds gained = wall - passed;
  if (std::chrono::abs(gained) > std::max(kStepMin, passed / 1000)) change.stepped = gained;
  if (passed - mono >= kSuspensionMin) change.suspended = passed - mono;
  return change;
}

}  // namespace doagent::agent
