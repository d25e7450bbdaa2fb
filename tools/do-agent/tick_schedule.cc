#include "tools/do-agent/tick_schedule.h"

#include "spool/check.h"

namespace doagent::agent {

std::uint64_t TickSchedule::Take(MonoTime now) {
  DOAGENT_CHECK(now >= next_);
  const auto missed = (now - next_) / interval_;
  next_ += (missed + 1) * interval_;
  return static_cast<std::uint64_t>(missed);
}

}  // namespace doagent::agent
