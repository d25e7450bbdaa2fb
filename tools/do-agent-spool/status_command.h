// do-agent-spool status: what is in a spool and how its delivery stands.
#pragma once

#include <chrono>
#include <filesystem>

#include "tools/do-agent-spool/environment.h"

namespace doagent::spool_tool {

struct StatusOptions {
  std::filesystem::path spool;
  bool json = false;
  bool watch = false;
  std::chrono::milliseconds interval{1000};  // of a watch
};

ExitStatus Status(const StatusOptions& options, const Environment& environment);

}  // namespace doagent::spool_tool
