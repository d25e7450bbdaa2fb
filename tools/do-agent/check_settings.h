// What can be known to be wrong with the settings before anything runs: collectors that refuse
// their options, files that cannot be used.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "spool/result.h"
#include "tools/cli/setting.h"
#include "tools/do-agent/settings.h"

namespace doagent::agent {

struct Findings {
  std::vector<Error> errors;          // the agent could not work; each names its setting
  std::vector<std::string> warnings;  // it can, but somebody should know
  // retain_floor does not fit into the spool: wrong, but an agent with data in its spool starts.
  std::optional<Error> floor = {};
};

// Opens and reads, changes nothing. `values` are those that the settings were made from.
Findings CheckSettings(const AgentSettings& settings, const cli::Values& values);

}  // namespace doagent::agent
