// do-agent-spool: everything about a spool, live or not.

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <string>

#include "spool/time.h"
#include "tools/cli/complain.h"
#include "tools/do-agent-spool/command_line.h"

int main(int argc, char** argv) {
  using doagent::spool_tool::Environment;
  using doagent::spool_tool::ExitStatus;
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away, such as head, shows in write
  Environment environment;
  environment.out = STDOUT_FILENO;
  environment.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  environment.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
  environment.now = [] {
    return std::chrono::time_point_cast<doagent::Nanoseconds>(std::chrono::system_clock::now());
  };
  environment.read_line = [] {
    std::string line;
    std::getline(std::cin, line);
    return line;
  };
  try {
    return static_cast<int>(doagent::spool_tool::Run({argv + 1, argv + argc}, environment));
  } catch (const std::exception& error) {  // a library's: our code does not throw
    doagent::cli::Complain("do-agent-spool", error.what());
    return static_cast<int>(ExitStatus::kWorld);
  }
}
