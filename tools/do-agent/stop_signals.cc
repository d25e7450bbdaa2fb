#include "tools/do-agent/stop_signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "spool/check.h"
#include "tools/do-agent/clock.h"

namespace doagent::agent {
namespace {

const char* NameOf(std::uint32_t signal) {
  switch (signal) {
    case SIGTERM: return "SIGTERM";
    case SIGINT: return "SIGINT";
    default: return "SIGHUP";
  }
}

}  // namespace

StopSignals::StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  DOAGENT_CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
  descriptor_ = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  DOAGENT_CHECK(descriptor_ >= 0);
}

StopSignals::~StopSignals() {
  ::close(descriptor_);
}

const char* StopSignals::WaitUntil(MonoTime deadline) {
  while (received_ == nullptr) {
    const Nanoseconds left = std::max(deadline - MonotonicNow(), Nanoseconds(0));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    const timespec timeout{.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
    pollfd wanted{descriptor_, POLLIN, 0};
    const int ready = ::ppoll(&wanted, 1, &timeout, nullptr);
    DOAGENT_CHECK(ready >= 0 || errno == EINTR);
    if (ready > 0) {
      signalfd_siginfo info{};
      if (::read(descriptor_, &info, sizeof info) == sizeof info)
        received_ = NameOf(info.ssi_signo);
    } else if (ready == 0) {
      return nullptr;
    }
  }
  return received_;
}

}  // namespace doagent::agent
