// Settings from DO_AGENT_* variables.
#pragma once

#include <string>
#include <vector>

#include "spool/result.h"
#include "tools/cli/setting.h"

namespace doagent::cli {

// `NAME=value` strings, as in environ(7). A list's items are separated by commas or white space; an
// empty value means none.
using Environment = std::vector<std::string>;

// The process's own: reads ::environ, for the program's main.
Environment ProcessEnvironment();

// The values of the settings that have a variable. A name that begins with the prefix and belongs
// to no setting is an error: a slip must not pass in silence.
Result<Values> ReadVariables(const Environment& environment, const std::vector<Setting>& settings);

}  // namespace doagent::cli
