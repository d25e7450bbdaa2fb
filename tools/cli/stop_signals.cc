#include "tools/cli/stop_signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "spool/check.h"

namespace doagent::cli {
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

const char* StopSignals::Wait(std::optional<Nanoseconds> timeout) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  while (received_ == nullptr) {
    timespec left_time{};
    if (timeout) {
      const Nanoseconds left = std::max(*timeout - (Clock::now() - start), Nanoseconds(0));
      const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
      left_time = {.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
    }
    pollfd wanted{descriptor_, POLLIN, 0};
    const int ready = ::ppoll(&wanted, 1, timeout ? &left_time : nullptr, nullptr);
    DOAGENT_CHECK(ready >= 0 || errno == EINTR);
    if (ready == 0) return nullptr;
    signalfd_siginfo info{};
    if (ready > 0 && ::read(descriptor_, &info, sizeof info) == sizeof info) {
      received_ = NameOf(info.ssi_signo);
    }
  }
  return received_;
}

}  // namespace doagent::cli
