#include "tools/do-agent-spool/command_line.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/cli/duration.h"
#include "tools/cli/output.h"
#include "tools/cli/selector.h"
#include "tools/cli/stop_signals.h"
#include "tools/cli/time_text.h"
#include "tools/cli/version.h"
#include "tools/do-agent-spool/dump_command.h"
#include "tools/do-agent-spool/forget_command.h"
#include "tools/do-agent-spool/help.h"
#include "tools/do-agent-spool/parked_command.h"
#include "tools/do-agent-spool/salvage_command.h"
#include "tools/do-agent-spool/status_command.h"
#include "tools/do-agent-spool/verify_command.h"

namespace doagent::spool_tool {
namespace {

constexpr std::chrono::milliseconds kWatchIntervalMin{100};
constexpr std::chrono::milliseconds kWatchIntervalMax = std::chrono::hours(24);

// The options as they were typed. What they mean is decided after parsing, so that every error
// names option, value and remedy in the same way.
struct Typed {
  std::string spool;
  std::string format = "text";
  std::string interval = "1s";
  std::string from, to, origin, host, state, output;
  std::vector<std::string> selectors;
  bool watch = false;
  bool follow = false;
  bool retry = false;
  bool yes = false;
};

template <typename T>
using Choices = std::vector<std::pair<std::string, T>>;

template <typename T>
Result<T> Choose(const std::string& option, const std::string& value, const Choices<T>& choices) {
  std::string names;
  for (const auto& [name, meaning] : choices) {
    if (name == value) return meaning;
    names += (names.empty() ? "" : ", ") + name;
  }
  return Fail(ErrorCode::kRefuse, option + " " + value, "not known; choose one of: " + names);
}

Result<bool> WantsJson(const Typed& typed) {
  return Choose<bool>("--format", typed.format, {{"text", false}, {"json", true}});
}

// The error of a value as that of its option.
template <typename T>
Result<T> For(const std::string& option, Result<T> value) {
  if (value) return value;
  return Fail(value.error().code, option, value.error().Message());
}

Result<StatusOptions> ToStatus(const Typed& typed) {
  StatusOptions options;
  options.spool = typed.spool;
  DOAGENT_ASSIGN(options.json, WantsJson(typed));
  options.watch = typed.watch;
  DOAGENT_ASSIGN(const auto interval, For("--interval", cli::ParseDuration(typed.interval)));
  options.interval = std::chrono::duration_cast<std::chrono::milliseconds>(interval);
  if (options.interval < kWatchIntervalMin || options.interval > kWatchIntervalMax) {
    return Fail(ErrorCode::kRefuse, "--interval " + typed.interval,
                "out of range; give something from 100ms to 1d");
  }
  return options;
}

Result<std::optional<WallTime>> ToTime(const std::string& option, const std::string& text,
                                       WallTime now) {
  if (text.empty()) return std::optional<WallTime>();
  DOAGENT_ASSIGN(const WallTime time, For(option, cli::ParseTime(text, now)));
  return std::optional<WallTime>(time);
}

Result<DumpOptions> ToDump(const Typed& typed, WallTime now) {
  DumpOptions options;
  options.spool = typed.spool;
  DOAGENT_ASSIGN(options.format, Choose<DumpFormat>("--format", typed.format,
                                                    {{"text", DumpFormat::kText},
                                                     {"json", DumpFormat::kJson},
                                                     {"csv", DumpFormat::kCsv},
                                                     {"openmetrics", DumpFormat::kOpenMetrics}}));
  options.origin = typed.origin;
  if (!typed.host.empty()) options.host = typed.host;
  DOAGENT_ASSIGN(options.from, ToTime("--from", typed.from, now));
  DOAGENT_ASSIGN(options.to, ToTime("--to", typed.to, now));
  if (options.from && options.to && *options.from > *options.to) {
    return Fail(ErrorCode::kRefuse, "--from " + typed.from,
                "later than --to " + typed.to + "; swap them");
  }
  if (!typed.state.empty()) {
    DOAGENT_ASSIGN(options.state, Choose<spool::DeliveryState>(
                                      "--state", typed.state,
                                      {{"pending", spool::DeliveryState::kPending},
                                       {"acknowledged", spool::DeliveryState::kAcknowledged},
                                       {"parked", spool::DeliveryState::kParked}}));
  }
  for (const std::string& text : typed.selectors) {
    DOAGENT_ASSIGN(cli::Selector selector, For("--match", cli::Selector::Parse(text)));
    options.selectors.push_back(std::move(selector));
  }
  options.follow = typed.follow;
  if (options.follow && options.to) {
    return Fail(ErrorCode::kRefuse, "--follow",
                "goes on without end, but --to sets one; leave one out");
  }
  options.output = typed.output;
  if (options.follow && options.format == DumpFormat::kOpenMetrics) {
    return Fail(
        ErrorCode::kRefuse, "--follow",
        "OpenMetrics groups by family, so it has an end; follow with --format text, json or "
        "csv");
  }
  return options;
}

// The stop signals are asked for only by what goes on until they come: everything else they end.
class Stoppable {
 public:
  Stoppable(Environment& environment, bool wanted) {
    if (!wanted || environment.stop_asked) return;
    signals_ = std::make_unique<cli::StopSignals>();
    environment.stop_asked = [this](std::chrono::milliseconds wait) {
      return signals_->WaitFor(wait) != nullptr;
    };
  }

 private:
  std::unique_ptr<cli::StopSignals> signals_;
};

ExitStatus RunStatus(const Typed& typed, Environment& environment) {
  const auto options = ToStatus(typed);
  if (!options) return Report(environment, ExitStatus::kUsage, options.error());
  const Stoppable stoppable(environment, options->watch);
  return Status(*options, environment);
}

ExitStatus RunDump(const Typed& typed, Environment& environment) {
  const auto options = ToDump(typed, environment.now());
  if (!options) return Report(environment, ExitStatus::kUsage, options.error());
  const Stoppable stoppable(environment, options->follow);
  return Dump(*options, environment);
}

ExitStatus RunVerify(const Typed& typed, const Environment& environment) {
  const auto json = WantsJson(typed);
  if (!json) return Report(environment, ExitStatus::kUsage, json.error());
  return Verify({typed.spool, *json}, environment);
}

ExitStatus RunParked(const Typed& typed, Environment& environment) {
  ParkedOptions options;
  const auto json = WantsJson(typed);
  if (!json) return Report(environment, ExitStatus::kUsage, json.error());
  options.spool = typed.spool;
  options.json = *json;
  options.retry = typed.retry;
  return Parked(options, environment);
}

ExitStatus RunSalvage(const Typed& typed, const Environment& environment) {
  const auto json = WantsJson(typed);
  if (!json) return Report(environment, ExitStatus::kUsage, json.error());
  return SalvageWreck({typed.spool, typed.output, *json}, environment);
}

ExitStatus RunForget(const Typed& typed, const Environment& environment) {
  if (typed.origin.empty() == typed.host.empty()) {
    return Report(environment, ExitStatus::kUsage,
                  {ErrorCode::kRefuse, "forget", "give either --origin or --host"});
  }
  ForgetOptions options{typed.spool, typed.origin, std::nullopt, typed.yes};
  if (!typed.host.empty()) options.host = typed.host;
  return Forget(options, environment);
}

CLI::App* AddCommand(CLI::App& app, const Help& help, Typed& typed) {
  CLI::App* command = app.add_subcommand(help.name, help.summary);
  command->footer(help.examples);
  command->add_option("--spool", typed.spool, "The spool's file")->type_name("FILE")->required();
  if (*help.formats != '\0') {
    command->add_option("--format", typed.format, help.formats)
        ->type_name("FORMAT")
        ->capture_default_str();
  }
  return command;
}

void AddDumpOptions(CLI::App& dump, Typed& typed) {
  const auto option = [&dump](const char* name, std::string& value, const char* type,
                              const char* text) {
    dump.add_option(name, value, text)->type_name(type);
  };
  option("--from", typed.from, "TIME",
         "First time, included: RFC 3339, Unix seconds, or an age such as -2h");
  option("--to", typed.to, "TIME", "Last time, excluded");
  dump.add_option("--match", typed.selectors,
                  "Only series that the selector matches, and no events; may be repeated: any of "
                  "them")
      ->type_name("SELECTOR")
      ->allow_extra_args(false);
  option("--origin", typed.origin, "ID", "Only records of the origin whose id begins so");
  option("--host", typed.host, "NAME", "Only records of origins with this hostname");
  option("--state", typed.state, "STATE", "Only records that are pending, acknowledged or parked");
  dump.add_flag("--follow", typed.follow, "Go on with new records until Ctrl-C");
  option("--output", typed.output, "FILE", "Write to the file instead of standard output");
}

Error UsageError(const CLI::App& app, const std::string& what, int argc, const char* const* argv) {
  const auto chosen = app.get_subcommands();
  if (!chosen.empty()) {
    return {ErrorCode::kRefuse, "",
            what + "; see do-agent-spool " + chosen.front()->get_name() + " --help"};
  }
  const std::string remedy =
      "give status, dump, verify, salvage, forget or parked; see do-agent-spool --help";
  if (argc < 2) return {ErrorCode::kRefuse, "", "no command; " + remedy};
  return {ErrorCode::kRefuse, argv[1], "no such command or option; " + remedy};
}

}  // namespace

ExitStatus Run(int argc, const char* const* argv, Environment environment) {
  Typed typed;
  CLI::App app(kSummary, "do-agent-spool");
  app.set_version_flag("--version", std::string("do-agent-spool ") + cli::kVersion,
                       "Print the version and exit");
  app.footer(kExamples);
  app.require_subcommand(1);
  CLI::App* status = AddCommand(app, kStatusHelp, typed);
  status->add_flag("--watch", typed.watch, "Show it again and again, until Ctrl-C");
  status->add_option("--interval", typed.interval, "How often --watch looks")
      ->type_name("DURATION")
      ->capture_default_str();
  CLI::App* dump = AddCommand(app, kDumpHelp, typed);
  AddDumpOptions(*dump, typed);
  const CLI::App* verify = AddCommand(app, kVerifyHelp, typed);
  CLI::App* salvage = AddCommand(app, kSalvageHelp, typed);
  salvage->add_option("--output", typed.output, "The new spool's file; must not be there yet")
      ->type_name("FILE")
      ->required();
  CLI::App* forget = AddCommand(app, kForgetHelp, typed);
  forget->add_option("--origin", typed.origin, "The origin whose id begins so")->type_name("ID");
  forget->add_option("--host", typed.host, "All origins with this hostname")->type_name("NAME");
  forget->add_flag("--yes", typed.yes, "Do not ask");
  CLI::App* parked = AddCommand(app, kParkedHelp, typed);
  parked->add_flag("--retry", typed.retry, "Put all parked records back, to be sent again");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    std::ostringstream text;
    app.exit(asked, text, text);
    cli::Output output(environment.out, "standard output");
    output.text() = text.str();
    const auto open = output.Flush();
    return open ? ExitStatus::kDone : Report(environment, ExitStatus::kWorld, open.error());
  } catch (const CLI::ParseError& wrong) {
    return Report(environment, ExitStatus::kUsage, UsageError(app, wrong.what(), argc, argv));
  }
  if (status->parsed()) return RunStatus(typed, environment);
  if (dump->parsed()) return RunDump(typed, environment);
  if (verify->parsed()) return RunVerify(typed, environment);
  if (salvage->parsed()) return RunSalvage(typed, environment);
  if (forget->parsed()) return RunForget(typed, environment);
  return RunParked(typed, environment);
}

}  // namespace doagent::spool_tool
