// A program under test: started with its output in files, ended with the test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace doagent::test {

class Process {
 public:
  struct Options {
    std::vector<std::string> arguments;              // of the program, without its name
    std::map<std::string, std::string> environment;  // added to ours
    std::filesystem::path output;                    // stdout; empty: thrown away
    std::filesystem::path errors;                    // stderr; empty: thrown away
  };

  // The program is one of ours (a name without a slash) or a path. Fails the check if it cannot be
  // started at all.
  Process(const std::string& program, const Options& options);
  ~Process();  // kills what still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void Signal(int signal);
  bool Running();
  // The exit status, or 128 + signal; nothing when it still runs after the time.
  std::optional<int> Wait(std::chrono::milliseconds timeout = std::chrono::seconds(20));
  // kill -9 and wait.
  void Kill();
  pid_t pid() const { return pid_; }

 private:
  bool Reap(int options);

  pid_t pid_ = -1;
  std::optional<int> status_;
};

struct Finished {
  int status = -1;  // exit status, or 128 + signal; -1: it had to be killed
  std::string output;
  std::string errors;
};

// Runs a program to its end.
Finished RunToEnd(const std::string& program, const std::vector<std::string>& arguments,
                  const std::map<std::string, std::string>& environment = {},
                  std::chrono::milliseconds timeout = std::chrono::seconds(30));

std::string ReadFile(const std::filesystem::path& path);
void WriteFile(const std::filesystem::path& path, const std::string& content);

// Polls until the condition holds. False: it did not within the time.
template <typename Condition>
bool Eventually(const Condition& condition,
                std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace doagent::test
