// Settings, and what was tried of them, as `do-agent check` shows them.
#pragma once

#include <string>
#include <vector>

#include "spool/result.h"
#include "tools/cli/setting.h"
#include "tools/do-agent/check_settings.h"
#include "tools/do-agent/trial.h"

namespace doagent::agent {

// A line a setting: key, value, where it came from. What is not set shows as "-".
void AppendSettingsTable(const std::vector<cli::Setting>& settings, const cli::Values& values,
                         std::string& out);

// What was tried, a line each: what it is, and what was found or that it would not work.
void AppendTrials(const std::vector<Trial>& trials, std::string& out);

// One object: `settings` [ { `key`, `value` (a string, an array for lists, null if not set),
// `source` (default, file, variable or flag), `origin` } ], `trials` [ { `subject`, `works`,
// `says` } ], `errors`, `warnings`.
void AppendReportJson(const std::vector<cli::Setting>& settings, const cli::Values& values,
                      const std::vector<Trial>& trials, const Findings& findings, std::string& out);

}  // namespace doagent::agent
