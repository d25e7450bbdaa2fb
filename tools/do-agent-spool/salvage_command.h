// `do-agent-spool salvage`: any wreck into a good spool.
#pragma once

#include <filesystem>

#include "tools/do-agent-spool/environment.h"

namespace doagent::spool_tool {

struct SalvageOptions {
  std::filesystem::path spool;
  std::filesystem::path output;
  bool json = false;
};

ExitStatus SalvageWreck(const SalvageOptions& options, const Environment& environment);

}  // namespace doagent::spool_tool
