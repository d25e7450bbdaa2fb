// do-agent check: is this configuration usable, and what does it mean?
#pragma once

#include <string>
#include <vector>

#include "spool/result.h"
#include "tools/cli/setting.h"
#include "tools/do-agent/check_settings.h"
#include "tools/do-agent/settings.h"

namespace doagent::agent {

struct CheckOutcome {
  std::string out;  // for stdout
  Findings findings;
};

// What `run` would make of the values: a table or a JSON object of `settings`, and what is wrong.
Result<CheckOutcome> Check(const std::vector<cli::Setting>& settings, const cli::Values& values,
                           const Machine& machine);

}  // namespace doagent::agent
