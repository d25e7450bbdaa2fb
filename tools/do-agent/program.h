// do-agent from its arguments to its exit status.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/cli/variables.h"
#include "tools/do-agent/load_settings.h"

namespace doagent::agent {

// What scripts may rely on.
enum class ExitStatus : int {
  kDone = 0,
  kNo = 1,     // the answer is no
  kUsage = 2,  // a wrong option, value or file
  kWorld = 3,  // cannot open, cannot write
};

struct ProgramInput {
  std::vector<std::string> arguments;  // without the program's name
  cli::Environment environment;
  std::filesystem::path default_config = kDefaultConfig;
};

// Writes to stdout and stderr. REQUIRES SIGPIPE ignored, and no other threads: commands that wait
// block the stop signals for all to come.
ExitStatus RunProgram(const ProgramInput& input);

}  // namespace doagent::agent
