// Command lines of the form PROGRAM COMMAND [--flag value]…, made from tables of settings.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "spool/result.h"
#include "tools/cli/setting.h"

namespace doagent::cli {

struct Command {
  std::string name;
  std::string help;      // one sentence
  std::string examples;  // whole lines; shown at the end of --help
  std::vector<Setting> settings;
};

struct Program {
  std::string name;
  std::string version;
  std::string help;
  std::string examples;
  std::vector<Command> commands;
};

// A command that was asked for, with the values of the flags that were given.
struct Invocation {
  std::string command;
  Values values;
};

// What --help or --version print.
struct Answer {
  std::string text;
};

// `arguments` without the program's name. Errors name the flag or word, and where help is.
Result<std::variant<Invocation, Answer>> ParseCommandLine(
    const Program& program, const std::vector<std::string>& arguments);

}  // namespace doagent::cli
