// do-agent check: what does this configuration mean, and would `run` work with it?
#pragma once

#include <string>
#include <vector>

#include "spool/result.h"
#include "tools/cli/setting.h"
#include "tools/do-agent/check_settings.h"
#include "tools/do-agent/settings.h"
#include "tools/do-agent/trial.h"

namespace doagent::agent {

struct CheckOutcome {
  std::string out;  // for stdout
  Findings findings;
  // The settings can be understood; errors are then about what they name.
  bool settings_make_sense = false;
};

// What `run` would make of the values, and whether it would work: a table or a JSON object of
// `settings`, of what was tried, and of what is wrong. Creates and changes nothing.
Result<CheckOutcome> Check(const std::vector<cli::Setting>& settings, const cli::Values& values,
                           const Machine& machine, const Resolver& resolve);

}  // namespace doagent::agent
