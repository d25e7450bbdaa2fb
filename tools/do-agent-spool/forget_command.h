// `do-agent-spool forget`: removes a decommissioned origin with everything of it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "tools/do-agent-spool/environment.h"

namespace doagent::spool_tool {

struct ForgetOptions {
  std::filesystem::path spool;
  std::string origin;               // how its id begins; empty: `host` is given
  std::optional<std::string> host;  // all origins with this hostname
  bool yes = false;                 // do not ask
};

// Exit status kNo: the answer to the question was no.
ExitStatus Forget(const ForgetOptions& options, const Environment& environment);

}  // namespace doagent::spool_tool
