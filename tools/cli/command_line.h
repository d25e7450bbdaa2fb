// Command lines of the form PROGRAM [COMMAND] [--flag value]…, made from tables of settings.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "spool/result.h"
#include "tools/cli/setting.h"

namespace doagent::cli {

struct Command {
  std::string name = {};      // empty: the program has no commands, and this one is all of it
  std::string help = {};      // one sentence
  std::string examples = {};  // whole lines; shown at the end of --help
  std::vector<Setting> settings = {};
};

// What a program knows of a flag that is not its own.
struct ForeignFlag {
  std::string says;      // what it is, and what to do
  bool ignored = false;  // the program can do without it: that is a warning, and no error
};

struct Program {
  std::string name;
  std::string version;
  std::string help;
  std::string examples;
  std::vector<Command> commands;
  // Asked for flags, with their dashes and without values, that no command has.
  std::function<std::optional<ForeignFlag>(const std::string& flag)> foreign_flag = {};
};

// A command that was asked for, with the values of the flags that were given.
struct Invocation {
  std::string command;
  Values values;
  std::vector<std::string> warnings = {};  // flags that were understood and should be changed
};

// What --help or --version print.
struct Answer {
  std::string text;
};

// `arguments` without the program's name. Errors name the flag or word, and where help is.
Result<std::variant<Invocation, Answer>> ParseCommandLine(
    const Program& program, const std::vector<std::string>& arguments);

}  // namespace doagent::cli
