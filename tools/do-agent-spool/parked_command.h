// do-agent-spool parked: the records that a receiver refused for good, and putting them back.
#pragma once

#include <filesystem>

#include "tools/do-agent-spool/environment.h"

namespace doagent::spool_tool {

struct ParkedOptions {
  std::filesystem::path spool;
  bool json = false;
  bool retry = false;  // put all of them back among the pending ones
};

ExitStatus Parked(const ParkedOptions& options, const Environment& environment);

}  // namespace doagent::spool_tool
