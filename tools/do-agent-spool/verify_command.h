// do-agent-spool verify: whether everything in a spool is as it was written.
#pragma once

#include <filesystem>

#include "tools/do-agent-spool/environment.h"

namespace doagent::spool_tool {

struct VerifyOptions {
  std::filesystem::path spool;
  bool json = false;
};

// kNo: something is not; every finding is a line of the output.
ExitStatus Verify(const VerifyOptions& options, const Environment& environment);

}  // namespace doagent::spool_tool
