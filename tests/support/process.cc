#include "tests/support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "spool/check.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"

namespace doagent::test {
namespace {

std::string PathOf(const std::string& program) {
  return program.find('/') == std::string::npos ? (ProgramDir() / program).string() : program;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (auto& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

void SendTo(posix_spawn_file_actions_t& actions, int descriptor,
            const std::filesystem::path& path) {
  const std::string target = path.empty() ? "/dev/null" : path.string();
  DOAGENT_CHECK(posix_spawn_file_actions_addopen(&actions, descriptor, target.c_str(),
                                                 O_WRONLY | O_CREAT | O_APPEND, 0600) == 0);
}

}  // namespace

Process::Process(const std::string& program, const Options& options) {
  std::vector<std::string> arguments = {PathOf(program)};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.emplace_back(*variable);
  }
  for (const auto& [name, value] : options.environment) environment.push_back(name + "=" + value);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  SendTo(actions, STDIN_FILENO, "");
  SendTo(actions, STDOUT_FILENO, options.output);
  SendTo(actions, STDERR_FILENO, options.errors);
  const int error = posix_spawn(&pid_, arguments.front().c_str(), &actions, nullptr,
                                Pointers(arguments).data(), Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    std::fprintf(stderr, "cannot start %s: %s\n", arguments.front().c_str(), std::strerror(error));
  }
  DOAGENT_CHECK(error == 0);
}

Process::~Process() {
  if (Running()) Kill();
}

bool Process::Reap(int options) {
  if (status_) return true;
  int status = 0;
  pid_t reaped = 0;
  do {
    reaped = waitpid(pid_, &status, options);
  } while (reaped < 0 && errno == EINTR);
  if (reaped != pid_) return false;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

void Process::Signal(int signal) {
  if (!status_) kill(pid_, signal);
}

bool Process::Running() {
  return !Reap(WNOHANG);
}

std::optional<int> Process::Wait(std::chrono::milliseconds timeout) {
  Eventually([this] { return !Running(); }, timeout);
  return status_;
}

void Process::Kill() {
  Signal(SIGKILL);
  Reap(0);
}

Finished RunToEnd(const std::string& program, const std::vector<std::string>& arguments,
                  const std::map<std::string, std::string>& environment,
                  std::chrono::milliseconds timeout) {
  const TempDir dir;
  Process process(program, {arguments, environment, dir / "output", dir / "errors"});
  const auto status = process.Wait(timeout);
  if (!status) process.Kill();
  return {status.value_or(-1), ReadFile(dir / "output"), ReadFile(dir / "errors")};
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::filesystem::path& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
}

}  // namespace doagent::test
