// Running other programs in tests: our own, and promtool as the judge of what they print.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace doagent::test {

struct CommandOutcome {
  int status = -1;     // what the shell returned
  std::string output;  // stdout and stderr
};

// Runs a shell command and waits for its end.
inline CommandOutcome RunCommand(const std::string& command) {
  CommandOutcome outcome;
  std::FILE* pipe = ::popen(("( " + command + " ) 2>&1").c_str(), "r");
  if (pipe == nullptr) return outcome;
  char buffer[4096];
  std::size_t bytes = 0;
  while ((bytes = std::fread(buffer, 1, sizeof buffer, pipe)) > 0) {
    outcome.output.append(buffer, bytes);
  }
  const int status = ::pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

inline CommandOutcome RunWithInput(const std::string& command, const std::string& input) {
  const TempDir folder;
  const std::string file = (folder / "input").string();
  std::ofstream(file, std::ios::binary) << input;
  return RunCommand("( " + command + " ) <'" + file + "'");
}

inline constexpr const char* kNoPromtool = "promtool is not installed (Debian package prometheus)";

inline bool HavePromtool() {
  return RunCommand("promtool --version").status == 0;
}

}  // namespace doagent::test
