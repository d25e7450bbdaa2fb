// Logs clients that are not let in: at most one line a period, with the count of those in between,
// so that nobody can fill the disk by knocking. Thread-safe.
#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace doagent::receiver {

class RefusalLog {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // REQUIRES that the logger outlives it.
  explicit RefusalLog(spdlog::logger& log, std::chrono::seconds period = std::chrono::seconds(60))
      : log_(log), period_(period) {}

  void Refused(const std::string& who, const std::string& why, Time now) {
    const std::lock_guard lock(mutex_);
    if (logged_ && now < next_) {
      ++unlogged_;
      return;
    }
    std::string line = "refused " + who + ": " + why;
    if (unlogged_ > 0) line += " (and " + std::to_string(unlogged_) + " more since the last line)";
    log_.warn(line);
    logged_ = true;
    unlogged_ = 0;
    next_ = now + period_;
  }

 private:
  spdlog::logger& log_;
  const std::chrono::seconds period_;
  std::mutex mutex_;
  bool logged_ = false;
  Time next_;
  std::uint64_t unlogged_ = 0;
};

}  // namespace doagent::receiver
