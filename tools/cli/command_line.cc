#include "tools/cli/command_line.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <deque>
#include <sstream>
#include <utility>

#include "tools/cli/near_miss.h"

namespace doagent::cli {
namespace {

using Outcome = Result<std::variant<Invocation, Answer>>;

// A setting as CLI11 knows it.
struct Bound {
  const Setting* setting = nullptr;
  CLI::Option* option = nullptr;
  CLI::Option* off = nullptr;            // of a switch that has an off flag
  std::vector<CLI::Option*> older = {};  // one for each of the setting's older flags
};

struct BoundCommand {
  const Command* command = nullptr;
  CLI::App* app = nullptr;
  std::vector<Bound> bound;
  std::vector<std::string> flags;  // what a slip may have meant
};

std::vector<std::string> FlagsOf(const Setting& setting) {
  std::vector<std::string> flags = {FlagOf(setting)};
  for (std::size_t i = 1; i < setting.flags.size(); ++i) flags.push_back("--" + setting.flags[i]);
  return flags;
}

std::string Joined(const std::vector<std::string>& texts, const char* separator) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : separator) + text;
  return joined;
}

bool MayBeRepeated(const Setting& setting) {
  return setting.kind == SettingKind::kList || setting.kind == SettingKind::kTexts;
}

std::string HelpOf(const Setting& setting) {
  const bool shown = !setting.fallback.empty() && setting.kind != SettingKind::kSwitch;
  return shown ? setting.help + " (default: " + setting.fallback + ")" : setting.help;
}

CLI::Option* AddValue(CLI::App& app, const std::string& flags) {
  // Any number is taken, so that a flag given twice gets our message.
  return app.add_option(flags)
      ->type_size(1)
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

Bound Bind(CLI::App& app, const Setting& setting) {
  const std::string flags = Joined(FlagsOf(setting), ",");
  Bound bound{&setting};
  if (setting.kind == SettingKind::kSwitch) {
    bound.option = app.add_flag(flags)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    if (!setting.off_flag.empty()) {
      bound.off = app.add_flag("--" + setting.off_flag);
      bound.off->group("");  // hidden: the help of the switch tells of it
    }
  } else {
    bound.option = AddValue(app, flags)
                       ->option_text(setting.value_name + (MayBeRepeated(setting) ? " ..." : "") +
                                     (setting.required ? " (required)" : ""));
  }
  bound.option->description(HelpOf(setting))
      ->group(setting.group.empty() ? "Options" : setting.group);
  for (const std::string& older : setting.older_flags) {
    bound.older.push_back(AddValue(app, "--" + older)->group(""));
  }
  return bound;
}

BoundCommand BindCommand(CLI::App& root, const Program& program, const Command& command) {
  BoundCommand bound{&command, &root, {}, {}};
  if (!command.name.empty()) {
    bound.app = root.add_subcommand(command.name, command.help);
    bound.app->footer(command.examples);
    bound.app->allow_extras();
    bound.app->set_version_flag("--version", program.name + " " + program.version,
                                "Print the version and exit");
  }
  for (const Setting& setting : command.settings) {
    bound.bound.push_back(Bind(*bound.app, setting));
    for (std::string& flag : FlagsOf(setting)) bound.flags.push_back(std::move(flag));
    if (!setting.off_flag.empty()) bound.flags.push_back("--" + setting.off_flag);
  }
  return bound;
}

tl::unexpected<Error> Refuse(const Program& program, const std::string& command,
                             const std::string& what) {
  const std::string help = program.name + (command.empty() ? "" : " " + command) + " --help";
  return Fail(ErrorCode::kRefuse, "", what + "; see " + help);
}

// A word that is no flag of the command's: an error, or a warning.
Result<void> TakeUnknown(const Program& program, const BoundCommand& command,
                         const std::string& word, std::vector<std::string>& warnings) {
  const std::string& name = command.command->name;
  if (word.empty() || word.front() != '-') {
    return Refuse(program, name, "unexpected argument \"" + word + "\"");
  }
  const std::string flag = word.substr(0, word.find('='));
  if (program.foreign_flag != nullptr) {
    if (const auto foreign = program.foreign_flag(flag)) {
      if (!foreign->ignored) return Refuse(program, name, flag + ": " + foreign->says);
      warnings.push_back(flag + ": " + foreign->says);
      return {};
    }
  }
  return Refuse(program, name, "there is no option " + flag + DidYouMean(flag, command.flags));
}

// The values that were given on the command line for one setting; none: not given.
Result<std::vector<std::string>> Given(const Program& program, const BoundCommand& command,
                                       const Bound& bound, std::vector<std::string>& warnings) {
  const Setting& setting = *bound.setting;
  std::vector<std::string> given = bound.option->results();
  if (bound.off != nullptr) given.insert(given.end(), bound.off->count(), "false");
  for (std::size_t i = 0; i < bound.older.size(); ++i) {
    if (bound.older[i]->empty()) continue;
    warnings.push_back("--" + setting.older_flags[i] + " is an older name; write " +
                       FlagOf(setting));
    for (const std::string& text : bound.older[i]->results()) given.push_back(text);
  }
  if (setting.kind == SettingKind::kList) {
    std::vector<std::string> items;
    for (const std::string& text : given) {
      for (std::string& item : SplitList(text)) items.push_back(std::move(item));
    }
    return items;
  }
  if (given.size() > 1 && !MayBeRepeated(setting)) {
    return Refuse(program, command.command->name, FlagOf(setting) + " is given more than once");
  }
  return given;
}

bool IsGiven(const Bound& bound) {
  return !bound.option->empty() || (bound.off != nullptr && !bound.off->empty()) ||
         std::any_of(bound.older.begin(), bound.older.end(),
                     [](const CLI::Option* older) { return !older->empty(); });
}

Outcome ToInvocation(const Program& program, const BoundCommand& command) {
  Invocation invocation{command.command->name, {}};
  for (const std::string& word : command.app->remaining()) {
    DOAGENT_TRY(TakeUnknown(program, command, word, invocation.warnings));
  }
  for (const Bound& bound : command.bound) {
    if (!IsGiven(bound)) {
      if (!bound.setting->required) continue;
      return Refuse(program, command.command->name,
                    FlagOf(*bound.setting) + " " + bound.setting->value_name + " is missing");
    }
    Value value{bound.setting->key, {}, Layer::kFlag, FlagOf(*bound.setting)};
    DOAGENT_ASSIGN(value.items, Given(program, command, bound, invocation.warnings));
    if (value.items == std::vector<std::string>{""}) value.items.clear();
    invocation.values.emplace(bound.setting->key, std::move(value));
  }
  return invocation;
}

// CLI11 takes the next word as the value of `--flag=`; ours is the empty text.
std::vector<std::string> WithEmptyValues(const std::vector<std::string>& arguments) {
  std::vector<std::string> words;
  for (const std::string& argument : arguments) {
    const bool empty_value = argument.rfind("--", 0) == 0 && argument.size() > 3 &&
                             argument.find('=') == argument.size() - 1;
    words.push_back(empty_value ? argument.substr(0, argument.size() - 1) : argument);
    if (empty_value) words.emplace_back();
  }
  return words;
}

tl::unexpected<Error> WhichCommand(const Program& program, const CLI::App& root) {
  std::vector<std::string> names;
  for (const Command& command : program.commands) names.push_back(command.name);
  const auto words = root.remaining();
  const auto chosen = root.get_subcommands();
  if (chosen.size() > 1) {
    return Refuse(program, "",
                  "both " + chosen[0]->get_name() + " and " + chosen[1]->get_name() +
                      " are given; give one command");
  }
  if (words.empty()) return Refuse(program, "", "give a command: " + Joined(names, ", "));
  if (!chosen.empty() || words.front().rfind('-', 0) == 0) {
    return Refuse(program, "", "there is no option " + words.front() + " before the command");
  }
  return Refuse(program, "",
                "there is no command \"" + words.front() + "\"" + DidYouMean(words.front(), names) +
                    "; give " + Joined(names, ", "));
}

}  // namespace

Outcome ParseCommandLine(const Program& program, const std::vector<std::string>& arguments) {
  CLI::App root(program.help, program.name);
  root.footer(program.examples);
  root.allow_extras();
  root.set_version_flag("--version", program.name + " " + program.version,
                        "Print the version and exit");
  std::deque<BoundCommand> commands;
  for (const Command& command : program.commands) {
    commands.push_back(BindCommand(root, program, command));
  }
  try {
    auto words = WithEmptyValues(arguments);
    std::reverse(words.begin(), words.end());  // the order in which CLI11 takes a vector
    root.parse(std::move(words));
  } catch (const CLI::Success& asked) {  // --help, --version
    std::ostringstream text;
    root.exit(asked, text, text);
    return Answer{text.str()};
  } catch (const CLI::ArgumentMismatch&) {
    // Options take the next word whatever it is, so only the last one can be without.
    const auto chosen = root.get_subcommands();
    return Refuse(program, chosen.empty() ? "" : chosen.front()->get_name(),
                  arguments.back() + " needs a value");
  } catch (const CLI::ParseError& wrong) {
    const auto chosen = root.get_subcommands();
    return Refuse(program, chosen.empty() ? "" : chosen.front()->get_name(), wrong.what());
  }

  if (commands.size() == 1 && commands.front().app == &root) {
    return ToInvocation(program, commands.front());
  }
  const auto chosen = root.get_subcommands();
  if (chosen.size() != 1 || !root.remaining().empty()) return WhichCommand(program, root);
  for (const BoundCommand& command : commands) {
    if (command.app == chosen.front()) return ToInvocation(program, command);
  }
  return WhichCommand(program, root);
}

}  // namespace doagent::cli
