// Every command and option of do-agent-spool, once: its flags and its help are made from these.
#pragma once

#include "tools/cli/command_line.h"

namespace doagent::spool_tool {

cli::Program SpoolProgram();

}  // namespace doagent::spool_tool
