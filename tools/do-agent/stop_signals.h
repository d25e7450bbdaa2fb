// SIGTERM, SIGINT and SIGHUP as something to wait for instead of something that interrupts.
#pragma once

#include "spool/time.h"

namespace doagent::agent {

class StopSignals {
 public:
  // From now on the signals are blocked in this thread and in those that it starts later, and are
  // collected here. REQUIRES that there are no other threads yet.
  StopSignals();
  ~StopSignals();

  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Returns when the time has come, or earlier with the name of the signal, such as "SIGTERM". One
  // wake-up. Once a signal has come, every call returns it.
  const char* WaitUntil(MonoTime deadline);

 private:
  int descriptor_;
  const char* received_ = nullptr;
};

}  // namespace doagent::agent
