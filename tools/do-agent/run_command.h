// do-agent run: the daemon.
#pragma once

#include <spdlog/logger.h>

#include "spool/result.h"
#include "tools/cli/stop_signals.h"
#include "tools/do-agent/settings.h"

namespace doagent::agent {

// Collects, stores and delivers until SIGTERM, SIGINT, SIGHUP or the end of run_for, all of which
// are a clean stop. An error is what kept it from starting, or the stop from being stored. REQUIRES
// settings in which CheckSettings found no error.
Result<void> Run(const AgentSettings& settings, cli::StopSignals& signals, spdlog::logger& log);

}  // namespace doagent::agent
