#include "tools/do-agent/program.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include "collector/collector.h"
#include "tools/cli/command_line.h"
#include "tools/cli/complain.h"
#include "tools/cli/logging.h"
#include "tools/cli/output.h"
#include "tools/cli/stop_signals.h"
#include "tools/do-agent/check_command.h"
#include "tools/do-agent/check_settings.h"
#include "tools/do-agent/clock.h"
#include "tools/do-agent/collect_command.h"
#include "tools/do-agent/resolve.h"
#include "tools/do-agent/run_command.h"
#include "tools/do-agent/setting_table.h"
#include "tools/do-agent/settings.h"

namespace doagent::agent {
namespace {

// What check waits for the resolver.
constexpr Nanoseconds kResolvePatience = std::chrono::seconds(5);

void Complain(const std::string& message) {
  cli::Complain("do-agent", message);
}

ExitStatus Complain(ExitStatus status, const Error& error) {
  Complain(error.Message());
  return status;
}

ExitStatus Print(const std::string& text, ExitStatus status) {
  cli::Output output(STDOUT_FILENO, "standard output");
  output.text() = text;
  const auto open = output.Flush();
  return open ? status : Complain(ExitStatus::kWorld, open.error());
}

Machine ThisMachine(std::vector<collector::CollectorInfo> collectors) {
  Machine machine{std::move(collectors), MonotonicNow, 100};
  const long user_hz = ::sysconf(_SC_CLK_TCK);
  if (user_hz > 0) machine.user_hz = static_cast<std::uint32_t>(user_hz);
  return machine;
}

ExitStatus RunCheck(const cli::Values& values, const Machine& machine) {
  const auto outcome =
      Check(AgentSettingTable(machine.collectors), values, machine,
            [](const cli::HostPort& address) { return Resolve(address, kResolvePatience); });
  if (!outcome) return Complain(ExitStatus::kUsage, outcome.error());
  const ExitStatus answer = !outcome->settings_make_sense      ? ExitStatus::kUsage
                            : outcome->findings.errors.empty() ? ExitStatus::kDone
                                                               : ExitStatus::kNo;
  const ExitStatus status = Print(outcome->out, answer);
  for (const std::string& warning : outcome->findings.warnings) Complain("warning: " + warning);
  for (const Error& error : outcome->findings.errors) Complain(error.Message());
  return status;
}

ExitStatus RunCollect(const cli::Values& values, const AgentSettings& settings) {
  const auto own = ToCollectSettings(values);
  if (!own) return Complain(ExitStatus::kUsage, own.error());
  // A single snapshot may be interrupted in the ordinary way.
  std::optional<cli::StopSignals> signals;
  if (own->count > 1) signals.emplace();
  CollectEnvironment environment;
  environment.wall_now = [] { return ReadClocks().wall; };
  environment.monotonic_now = MonotonicNow;
  environment.stop_asked_until = [&signals](MonoTime deadline) {
    return signals->WaitFor(deadline - MonotonicNow()) != nullptr;
  };
  return Collect(*own, settings.collector, environment);
}

ExitStatus RunDaemon(const cli::Values& values, const AgentSettings& settings) {
  cli::StopSignals signals;  // first of all: a collector may have threads
  const Findings findings = CheckSettings(settings, values);
  if (!findings.errors.empty()) return Complain(ExitStatus::kUsage, findings.errors.front());
  const auto log = cli::MakeStderrLogger("do-agent", settings.log_level,
                                         cli::StyleForStderr(std::getenv("JOURNAL_STREAM")));
  for (const std::string& warning : findings.warnings) log->warn(warning);
  if (findings.floor) {
    std::error_code none;
    if (!std::filesystem::exists(settings.spool, none)) {
      return Complain(ExitStatus::kUsage, *findings.floor);
    }
    log->warn(findings.floor->Message() + "; for want of space, younger records will go too");
  }
  const auto ran = Run(settings, signals, *log);
  return ran ? ExitStatus::kDone : Complain(ExitStatus::kWorld, ran.error());
}

}  // namespace

ExitStatus RunProgram(const ProgramInput& input) {
  const Machine machine = ThisMachine(collector::AvailableCollectors());
  const auto parsed = cli::ParseCommandLine(AgentProgram(machine.collectors), input.arguments);
  if (!parsed) return Complain(ExitStatus::kUsage, parsed.error());
  if (const auto* answer = std::get_if<cli::Answer>(&*parsed)) {
    return Print(answer->text, ExitStatus::kDone);
  }
  const auto& invocation = std::get<cli::Invocation>(*parsed);
  for (const std::string& warning : invocation.warnings) Complain("warning: " + warning);

  const auto values = LoadValues(AllSettings(machine.collectors), invocation.values,
                                 input.environment, input.default_config);
  if (!values) return Complain(ExitStatus::kUsage, values.error());
  if (invocation.command == "check") return RunCheck(*values, machine);
  const auto settings = ToAgentSettings(*values, machine);
  if (!settings) return Complain(ExitStatus::kUsage, settings.error());
  return invocation.command == "collect" ? RunCollect(*values, *settings)
                                         : RunDaemon(*values, *settings);
}

}  // namespace doagent::agent
