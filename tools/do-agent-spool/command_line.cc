#include "tools/do-agent-spool/command_line.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "spool/check.h"
#include "tools/cli/command_line.h"
#include "tools/cli/output.h"
#include "tools/cli/selector.h"
#include "tools/cli/stop_signals.h"
#include "tools/cli/time_text.h"
#include "tools/cli/typed_value.h"
#include "tools/do-agent-spool/dump_command.h"
#include "tools/do-agent-spool/forget_command.h"
#include "tools/do-agent-spool/parked_command.h"
#include "tools/do-agent-spool/salvage_command.h"
#include "tools/do-agent-spool/setting_table.h"
#include "tools/do-agent-spool/status_command.h"
#include "tools/do-agent-spool/verify_command.h"

namespace doagent::spool_tool {
namespace {

using cli::At;
using cli::Values;

constexpr std::chrono::milliseconds kWatchIntervalMin{100};
constexpr std::chrono::milliseconds kWatchIntervalMax = std::chrono::hours(24);

// --- Values of the options -----------------------------------------------------------------------

// One of several words, and what it means.
template <typename T>
Result<T> Choose(const cli::Value& value, const std::vector<std::pair<std::string, T>>& choices) {
  std::vector<std::string> names;
  names.reserve(choices.size());
  for (const auto& [name, meaning] : choices) names.push_back(name);
  DOAGENT_ASSIGN(const std::size_t chosen, cli::ToChoice(value, names));
  return choices[chosen].second;
}

Result<bool> WantsJson(const Values& values) {
  return Choose<bool>(At(values, "format"), {{"text", false}, {"json", true}});
}

Result<bool> IsOn(const Values& values, const char* key) {
  return cli::ToSwitch(At(values, key));
}

Result<StatusOptions> ToStatus(const Values& values) {
  StatusOptions options;
  DOAGENT_ASSIGN(options.spool, cli::ToPath(At(values, "spool")));
  DOAGENT_ASSIGN(options.json, WantsJson(values));
  DOAGENT_ASSIGN(options.watch, IsOn(values, "watch"));
  DOAGENT_ASSIGN(const Nanoseconds interval,
                 cli::ToDuration(At(values, "interval"), kWatchIntervalMin, kWatchIntervalMax));
  options.interval = std::chrono::duration_cast<std::chrono::milliseconds>(interval);
  return options;
}

Result<std::optional<WallTime>> ToTime(const cli::Value& value, WallTime now) {
  return cli::Optional<WallTime>(value, [now](const cli::Value& given) -> Result<WallTime> {
    const auto time = cli::ParseTime(given.text(), now);
    if (!time) return Fail(cli::ErrorAt(given, time.error()));
    return *time;
  });
}

Result<std::vector<cli::Selector>> ToSelectors(const cli::Value& value) {
  std::vector<cli::Selector> selectors;
  for (const std::string& text : value.items) {
    auto selector = cli::Selector::Parse(text);
    if (!selector) return Fail(cli::ErrorAt(value, selector.error()));
    selectors.push_back(*std::move(selector));
  }
  return selectors;
}

// What cannot be meant together.
Result<void> CheckTogether(const DumpOptions& options, const Values& values) {
  if (options.from && options.to && *options.from > *options.to) {
    return Fail(cli::ErrorAt(At(values, "from"), "\"" + At(values, "from").text() +
                                                     "\" is later than --to " +
                                                     At(values, "to").text() + "; swap them"));
  }
  if (options.follow && options.to) {
    return Fail(cli::ErrorAt(At(values, "follow"),
                             "goes on without end, but --to sets one; leave one out"));
  }
  if (options.follow && options.format == DumpFormat::kOpenMetrics) {
    return Fail(cli::ErrorAt(At(values, "follow"),
                             "does not go with OpenMetrics, which groups by family and so needs an "
                             "end; follow with --format text, json or csv"));
  }
  return {};
}

Result<DumpOptions> ToDump(const Values& values, WallTime now) {
  DumpOptions options;
  DOAGENT_ASSIGN(options.spool, cli::ToPath(At(values, "spool")));
  DOAGENT_ASSIGN(options.format, Choose<DumpFormat>(At(values, "format"),
                                                    {{"text", DumpFormat::kText},
                                                     {"json", DumpFormat::kJson},
                                                     {"csv", DumpFormat::kCsv},
                                                     {"openmetrics", DumpFormat::kOpenMetrics}}));
  options.origin = At(values, "origin").text();
  if (const auto& host = At(values, "host").text(); !host.empty()) options.host = host;
  DOAGENT_ASSIGN(options.from, ToTime(At(values, "from"), now));
  DOAGENT_ASSIGN(options.to, ToTime(At(values, "to"), now));
  DOAGENT_ASSIGN(
      options.state,
      cli::Optional<spool::DeliveryState>(At(values, "state"), [](const cli::Value& value) {
        return Choose<spool::DeliveryState>(value,
                                            {{"pending", spool::DeliveryState::kPending},
                                             {"acknowledged", spool::DeliveryState::kAcknowledged},
                                             {"parked", spool::DeliveryState::kParked}});
      }));
  DOAGENT_ASSIGN(options.selectors, ToSelectors(At(values, "match")));
  DOAGENT_ASSIGN(options.follow, IsOn(values, "follow"));
  options.output = At(values, "output").text();
  DOAGENT_TRY(CheckTogether(options, values));
  return options;
}

Result<VerifyOptions> ToVerify(const Values& values) {
  VerifyOptions options;
  DOAGENT_ASSIGN(options.spool, cli::ToPath(At(values, "spool")));
  DOAGENT_ASSIGN(options.json, WantsJson(values));
  return options;
}

Result<SalvageOptions> ToSalvage(const Values& values) {
  SalvageOptions options;
  DOAGENT_ASSIGN(options.spool, cli::ToPath(At(values, "spool")));
  DOAGENT_ASSIGN(options.output, cli::ToPath(At(values, "output")));
  DOAGENT_ASSIGN(options.json, WantsJson(values));
  return options;
}

Result<ParkedOptions> ToParked(const Values& values) {
  ParkedOptions options;
  DOAGENT_ASSIGN(options.spool, cli::ToPath(At(values, "spool")));
  DOAGENT_ASSIGN(options.json, WantsJson(values));
  DOAGENT_ASSIGN(options.retry, IsOn(values, "retry"));
  return options;
}

Result<ForgetOptions> ToForget(const Values& values) {
  ForgetOptions options;
  DOAGENT_ASSIGN(options.spool, cli::ToPath(At(values, "spool")));
  options.origin = At(values, "origin").text();
  const std::string& host = At(values, "host").text();
  if (!host.empty()) options.host = host;
  if (options.origin.empty() == host.empty()) {
    return Fail(ErrorCode::kRefuse, "forget",
                host.empty() ? "give --origin or --host: whose records are to be removed"
                             : "give --origin or --host, not both");
  }
  DOAGENT_ASSIGN(options.yes, IsOn(values, "yes"));
  return options;
}

// --- Commands ------------------------------------------------------------------------------------

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

template <typename Options, typename Command>
ExitStatus RunWith(const Result<Options>& options, const Environment& environment,
                   Command command) {
  if (!options) return Report(environment, ExitStatus::kUsage, options.error());
  return command(*options, environment);
}

ExitStatus RunCommand(const std::string& command, const Values& values, Environment& environment) {
  if (command == "status") {
    const auto options = ToStatus(values);
    const Stoppable stoppable(environment, options && options->watch);
    return RunWith(options, environment, Status);
  }
  if (command == "dump") {
    const auto options = ToDump(values, environment.now());
    const Stoppable stoppable(environment, options && options->follow);
    return RunWith(options, environment, Dump);
  }
  if (command == "verify") return RunWith(ToVerify(values), environment, Verify);
  if (command == "salvage") return RunWith(ToSalvage(values), environment, SalvageWreck);
  if (command == "forget") return RunWith(ToForget(values), environment, Forget);
  return RunWith(ToParked(values), environment, Parked);
}

}  // namespace

ExitStatus Run(const std::vector<std::string>& arguments, Environment environment) {
  const cli::Program program = SpoolProgram();
  const auto parsed = cli::ParseCommandLine(program, arguments);
  if (!parsed) return Report(environment, ExitStatus::kUsage, parsed.error());
  if (const auto* answer = std::get_if<cli::Answer>(&*parsed)) {
    cli::Output output(environment.out, "standard output");
    output.text() = answer->text;
    const auto open = output.Flush();
    return open ? ExitStatus::kDone : Report(environment, ExitStatus::kWorld, open.error());
  }
  const auto& invocation = std::get<cli::Invocation>(*parsed);
  const auto command =
      std::find_if(program.commands.begin(), program.commands.end(),
                   [&](const cli::Command& one) { return one.name == invocation.command; });
  DOAGENT_CHECK(command != program.commands.end());
  const Values values = cli::Layered(cli::Defaults(command->settings), invocation.values);
  return RunCommand(invocation.command, values, environment);
}

}  // namespace doagent::spool_tool
