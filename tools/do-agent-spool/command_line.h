// The command line of do-agent-spool: options into typed settings, errors into one line, and the
// command that is to run.
#pragma once

#include <string>
#include <vector>

#include "tools/do-agent-spool/environment.h"

namespace doagent::spool_tool {

// Runs the command that the arguments name, which do not begin with the program's name. REQUIRES
// SIGPIPE ignored.
ExitStatus Run(const std::vector<std::string>& arguments, Environment environment);

}  // namespace doagent::spool_tool
