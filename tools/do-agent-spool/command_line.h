// The command line of do-agent-spool: options into typed settings, errors into one line, and the
// command that is to run.
#pragma once

#include "tools/do-agent-spool/environment.h"

namespace doagent::spool_tool {

// Runs the command that the arguments name. REQUIRES SIGPIPE ignored.
ExitStatus Run(int argc, const char* const* argv, Environment environment);

}  // namespace doagent::spool_tool
