// Gathers do-agent's settings from all layers: flag over variable over file over default.
#pragma once

#include <filesystem>
#include <vector>

#include "spool/result.h"
#include "tools/cli/command_line.h"
#include "tools/cli/setting.h"
#include "tools/cli/variables.h"

namespace doagent::agent {

// Read if it exists and no other file is named.
inline constexpr const char* kDefaultConfig = "/etc/do-agent/do-agent.toml";

// Every setting's value, with where it came from. `settings` are all there are: a variable or a key
// of the file may belong to another command than the one that runs. Under "config" stands the file
// that was read, if any.
Result<cli::Values> LoadValues(const std::vector<cli::Setting>& settings, const cli::Values& flags,
                               const cli::Environment& environment,
                               const std::filesystem::path& default_config);

// The error as one of the setting that it names, so that it says which flag, variable or line.
Error Placed(const Error& error, const cli::Values& values);

}  // namespace doagent::agent
