// The two clocks. Libraries never read them: whoever owns the loop passes the time in.
#pragma once

#include <chrono>
#include <cstdint>

namespace doagent {

using Nanoseconds = std::chrono::nanoseconds;

// CLOCK_REALTIME: what people and receivers see. It may step; nothing is ordered by it.
using WallTime = std::chrono::sys_time<Nanoseconds>;

// CLOCK_MONOTONIC: counts from boot, never steps. Only comparable within one boot id.
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, Nanoseconds>;

inline std::int64_t UnixNanoseconds(WallTime time) {
  return time.time_since_epoch().count();
}

inline std::int64_t UnixMilliseconds(WallTime time) {
  return std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
}

inline WallTime FromUnixNanoseconds(std::int64_t ns) {
  return WallTime(Nanoseconds(ns));
}

inline std::int64_t BootNanoseconds(MonoTime time) {
  return time.time_since_epoch().count();
}

inline MonoTime FromBootNanoseconds(std::int64_t ns) {
  return MonoTime(Nanoseconds(ns));
}

}  // namespace doagent
