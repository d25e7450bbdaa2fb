// What the commands touch of the world, so that a test can stand in for it.
#pragma once

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>

#include "spool/result.h"
#include "spool/time.h"
#include "tools/cli/exit_status.h"

namespace doagent::spool_tool {

using cli::ExitStatus;

struct Environment {
  int out = 1;  // descriptor that results go to
  bool out_is_terminal = false;
  std::FILE* err = stderr;  // one line an error
  bool err_is_terminal = false;
  std::function<WallTime()> now;
  std::function<std::string()> read_line;  // from standard input; empty: there is none
  // Waits so long; true: SIGINT or SIGTERM came, so finish. Watching and following ask it.
  std::function<bool(std::chrono::milliseconds)> stop_asked;
};

// Prints "do-agent-spool: MESSAGE" and returns the status.
ExitStatus Report(const Environment& environment, ExitStatus status, const Error& error);

}  // namespace doagent::spool_tool
