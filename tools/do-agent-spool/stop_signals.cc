#include "tools/do-agent-spool/stop_signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "spool/check.h"

namespace doagent::spool_tool {

StopSignals::StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  DOAGENT_CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
  descriptor_ = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  DOAGENT_CHECK(descriptor_ >= 0);
}

StopSignals::~StopSignals() {
  ::close(descriptor_);
}

// The signal is never read, so it stays pending and every later call sees it too.
bool StopSignals::Wait(std::chrono::milliseconds timeout) {
  pollfd wanted{descriptor_, POLLIN, 0};
  return ::poll(&wanted, 1, static_cast<int>(timeout.count())) > 0;
}

}  // namespace doagent::spool_tool
