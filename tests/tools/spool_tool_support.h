// Running do-agent-spool inside the test, and spools to run it on.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spool/spool.h"
#include "spool/sqlite.h"
#include "tests/support/snapshots.h"
#include "tests/tools/memory_file.h"
#include "tools/do-agent-spool/command_line.h"

namespace doagent::test {

struct ToolRun {
  spool_tool::ExitStatus status{};
  std::string out;
  std::string err;
};

struct ToolOptions {
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  std::function<bool(std::chrono::milliseconds)> stop_asked;
  WallTime now = WallTime(std::chrono::seconds(1'700'003'600));
  std::string input;    // a line on standard input
  Nanoseconds step{0};  // between two looks at the clock
};

inline ToolRun RunTool(const std::vector<std::string>& arguments, const ToolOptions& options = {}) {
  const MemoryFile out;
  const MemoryFile err;
  std::FILE* err_stream = ::fdopen(::dup(err.descriptor()), "w");
  spool_tool::Environment environment;
  environment.out = out.descriptor();
  environment.out_is_terminal = options.out_is_terminal;
  environment.err = err_stream;
  environment.err_is_terminal = options.err_is_terminal;
  environment.now = [&options, now = options.now]() mutable {
    return std::exchange(now, now + options.step);
  };
  environment.stop_asked = options.stop_asked;
  environment.read_line = [&options] { return options.input; };
  ToolRun run;
  run.status = spool_tool::Run(arguments, environment);
  std::fclose(err_stream);
  run.out = out.Read();
  run.err = err.Read();
  return run;
}

inline std::unique_ptr<spool::Spool> OpenSpool(const std::string& file, std::uint64_t seed = 1) {
  auto opened = spool::Spool::Open(TestSpoolOptions(file, seed));
  EXPECT_TRUE(opened) << (opened ? "" : opened.error().Message());
  return opened ? *std::move(opened) : nullptr;
}

// REQUIRES the file to exist; an empty one becomes a database.
inline void ExecuteSql(const std::string& file, const char* sql) {
  auto database = spool::Database::Open(file, spool::Database::Mode::kReadWrite);
  ASSERT_TRUE(database);
  ASSERT_TRUE((*database)->Execute(sql));
}

// Something at the path that is no spool this version can read.
inline void MakeBadSpool(const std::string& kind, const std::string& file) {
  if (kind == "empty") std::ofstream(file).close();
  if (kind == "directory") std::filesystem::create_directory(file);
  if (kind == "fifo") {
    ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  }
  if (kind == "text") std::ofstream(file) << std::string(5000, 'x');
  if (kind == "other database") {
    std::ofstream(file).close();
    ExecuteSql(file, "CREATE TABLE t(a); INSERT INTO t VALUES(1)");
  }
  if (kind == "newer version") {
    OpenSpool(file);
    ExecuteSql(file, "PRAGMA user_version = 1000000");
  }
}

// The commands in a help text's examples, each as the words after the program's name. Enough of a
// shell's syntax for them: single quotes, and what stands behind `|` or `&&` is not ours.
inline std::vector<std::vector<std::string>> ExamplesIn(const std::string& help) {
  constexpr std::string_view kPrompt = "  do-agent-spool ";
  std::vector<std::vector<std::string>> examples;
  std::size_t line = help.find("Examples:\n");
  while (line != std::string::npos && (line = help.find('\n', line)) != std::string::npos) {
    ++line;
    if (help.compare(line, kPrompt.size(), kPrompt) != 0) continue;
    const std::string command = help.substr(line, help.find('\n', line) - line);
    std::vector<std::string> words(1);
    bool quoted = false;
    for (std::size_t i = kPrompt.size(); i < command.size(); ++i) {
      if (command[i] == '\'') {
        quoted = !quoted;
      } else if (command[i] == ' ' && !quoted) {
        if (!words.back().empty()) words.emplace_back();
      } else if ((command[i] == '|' || command[i] == '&') && !quoted) {
        break;
      } else {
        words.back() += command[i];
      }
    }
    if (words.back().empty()) words.pop_back();
    examples.push_back(words);
  }
  return examples;
}

}  // namespace doagent::test
