// Tries what `run` would do with the settings, without creating or changing anything.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "spool/result.h"
#include "tools/cli/endpoint.h"
#include "tools/cli/setting.h"
#include "tools/do-agent/settings.h"

namespace doagent::agent {

// One thing that was tried.
struct Trial {
  std::string subject;  // "collector cpu", "spool", "endpoint grpcs://…"
  bool works = true;
  std::string found = {};  // if it works: "16 series"
  Error error = {};        // if not: why, naming the setting where there is one
};

using Resolver = std::function<Result<std::vector<std::string>>(const cli::HostPort&)>;

// The roots, each collector once, the spool's folder and file, and the name of each endpoint.
// `values` are those that the settings were made from: what would not work names its setting.
std::vector<Trial> TryWhatRunDoes(const AgentSettings& settings, const cli::Values& values,
                                  const Resolver& resolve);

}  // namespace doagent::agent
