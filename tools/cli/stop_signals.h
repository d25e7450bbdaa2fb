// SIGTERM, SIGINT and SIGHUP as something to wait for instead of something that interrupts.
// Not thread-safe.
#pragma once

#include <optional>

#include "spool/time.h"

namespace doagent::cli {

class StopSignals {
 public:
  // From now on the signals are blocked in this thread and in those that it starts later, and are
  // collected here. REQUIRES that there are no other threads yet.
  StopSignals();
  ~StopSignals();

  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // The name of the signal that came, such as "SIGTERM", or nullptr when none did for so long. One
  // wake-up. Once a signal has come, every call returns it.
  const char* WaitFor(Nanoseconds timeout) { return Wait(timeout); }
  const char* Wait() { return Wait(std::nullopt); }

 private:
  const char* Wait(std::optional<Nanoseconds> timeout);

  int descriptor_;
  const char* received_ = nullptr;
};

}  // namespace doagent::cli
