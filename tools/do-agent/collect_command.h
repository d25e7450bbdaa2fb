// do-agent collect: what the agent would store now, on standard output.
#pragma once

#include <cstdio>
#include <functional>

#include "collector/options.h"
#include "spool/time.h"
#include "tools/cli/exit_status.h"
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
// line stands between them. kDone: all that the collectors look for was read; kNo: something could
// not be, which stderr names; kUsage: options that make no sense; kWorld: nothing at all could be
// collected, or the output cannot be written. REQUIRES SIGPIPE ignored.
cli::ExitStatus Collect(const CollectSettings& settings, const collector::CollectorOptions& options,
                        const CollectEnvironment& environment);

}  // namespace doagent::agent
