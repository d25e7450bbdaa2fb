// Settings as `do-agent check` shows them.
#pragma once

#include <string>
#include <vector>

#include "spool/result.h"
#include "tools/cli/setting.h"
#include "tools/do-agent/check_settings.h"

namespace doagent::agent {

// A line a setting: key, value, where it came from. What is not set shows as "-".
void AppendSettingsTable(const std::vector<cli::Setting>& settings, const cli::Values& values,
                         std::string& out);

// One object: `settings` [ { `key`, `value` (a string, an array for lists, null if not set),
// `source` (default, file, variable or flag), `origin` } ], `errors`, `warnings`.
void AppendSettingsJson(const std::vector<cli::Setting>& settings, const cli::Values& values,
                        const Findings& findings, std::string& out);

}  // namespace doagent::agent
