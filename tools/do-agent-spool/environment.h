// What the commands touch of the world, so that a test can stand in for it.
#pragma once

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>

#include "spool/result.h"
#include "spool/time.h"

namespace doagent::spool_tool {

// What scripts may rely on: tools' contract on exit statuses.
enum class ExitStatus : int {
  kDone = 0,
  kNo = 1,     // the answer is no: damage found
  kUsage = 2,  // a wrong option or value
  kWorld = 3,  // cannot open, cannot write
};

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
