// Every setting of do-agent, once: its flags, variables, keys in the file and help are made from
// these tables.
#pragma once

#include <string>
#include <vector>

#include "collector/options.h"
#include "tools/cli/command_line.h"
#include "tools/cli/setting.h"

namespace doagent::agent {

// The settings of `run`, which `check` explains and from which `collect` takes its part.
std::vector<cli::Setting> AgentSettingTable(
    const std::vector<collector::CollectorInfo>& collectors);

// All settings of all commands, each once.
std::vector<cli::Setting> AllSettings(const std::vector<collector::CollectorInfo>& collectors);

// The commands with their settings and help.
cli::Program AgentProgram(const std::vector<collector::CollectorInfo>& collectors);

// An option that is true or false by default is a switch, as it is in node_exporter.
bool IsSwitch(const collector::OptionInfo& option);

// The keys of a collector's switch and of its option.
std::string EnabledKey(const std::string& collector);
std::string OptionKey(const std::string& collector, const std::string& option);

}  // namespace doagent::agent
