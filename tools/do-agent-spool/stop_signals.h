// SIGINT and SIGTERM as something to wait for instead of something that interrupts.
#pragma once

#include <chrono>

namespace doagent::spool_tool {

// From construction on the two signals are blocked in this thread and its later children, and
// collected here. REQUIRES construction before other threads are started.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();

  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Waits so long for a signal; true once one has come, and then always.
  bool Wait(std::chrono::milliseconds timeout);

 private:
  int descriptor_;
};

}  // namespace doagent::spool_tool
