// node_exporter's flags that do-agent does not have, so that whoever moves a command line over is
// told what each of them means here. Source: node_exporter 1.12's README and --help.
#pragma once

#include <optional>
#include <string>

#include "tools/cli/command_line.h"

namespace doagent::agent {

// `flag` with its dashes, without a value. Nothing: node_exporter has no such flag, either.
// A flag that turns off a collector that is not there is one to do without.
std::optional<cli::ForeignFlag> NodeExporterFlag(const std::string& flag);

}  // namespace doagent::agent
