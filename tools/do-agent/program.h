// do-agent from its arguments to its exit status.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/cli/exit_status.h"
#include "tools/cli/variables.h"
#include "tools/do-agent/load_settings.h"

namespace doagent::agent {

using cli::ExitStatus;

struct ProgramInput {
  std::vector<std::string> arguments;  // without the program's name
  cli::Environment environment;
  std::filesystem::path default_config = kDefaultConfig;
};

// Writes to stdout and stderr. REQUIRES SIGPIPE ignored, and no other threads: commands that wait
// block the stop signals for all to come.
ExitStatus RunProgram(const ProgramInput& input);

}  // namespace doagent::agent
