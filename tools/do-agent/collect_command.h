// do-agent collect: what the agent would store now, on standard output.
#pragma once

#include <cstdio>
#include <functional>

#include "collector/options.h"
#include "spool/time.h"
#include "tools/do-agent/settings.h"

namespace doagent::agent {

// The world of one call, so that a test can stand in for it.
struct CollectEnvironment {
  int out = 1;              // descriptor
  std::FILE* err = stderr;  // a line a problem
  std::function<WallTime()> wall_now;
  std::function<MonoTime()> monotonic_now;
  // Returns at that time; true: earlier, since SIGINT or SIGTERM came. Only asked between
  // snapshots, so never for a single one.
  std::function<bool(MonoTime)> stop_asked_until;
};

// Prints `settings.count` snapshots, `settings.interval` apart; with the Prometheus format an empty
// line stands between them. Returns the exit status: 0, also when some collectors failed (they are
// named on stderr); 2 for options that make no sense; 3 when nothing at all could be collected, or
// the output cannot be written. REQUIRES SIGPIPE ignored.
int Collect(const CollectSettings& settings, const collector::CollectorOptions& options,
            const CollectEnvironment& environment);

}  // namespace doagent::agent
