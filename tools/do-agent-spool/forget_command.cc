#include "tools/do-agent-spool/forget_command.h"

#include <string>

#include "spool/request.h"
#include "tools/cli/output.h"
#include "tools/cli/sample_format.h"
#include "tools/do-agent-spool/source.h"

namespace doagent::spool_tool {
namespace {

std::string RecordsText(std::uint64_t records) {
  return std::to_string(records) + (records == 1 ? " record" : " records");
}

std::string Question(const spool::ForgetPlan& plan) {
  std::string text = "This removes for good:\n";
  for (const auto& origin : plan.origins) {
    text += "  " + origin.spool_id.Hex() + "  ";
    cli::AppendPrintable(origin.host.hostname.empty() ? "(no hostname)" : origin.host.hostname,
                         text);
    text += "  " + RecordsText(origin.records) + '\n';
  }
  return text + "Go on? [y/N] ";
}

Result<spool::ForgetPlan> PlanOf(const ForgetOptions& options) {
  std::optional<SpoolId> origin;
  if (!options.origin.empty()) {
    DOAGENT_ASSIGN(const auto source, Source::Open(options.spool));
    DOAGENT_ASSIGN(origin, source->FindOrigin(options.origin));
  }
  return spool::PlanToForget(options.spool, origin, options.host);
}

ExitStatus Print(const Environment& environment, const std::string& text) {
  cli::Output output(environment.out, "standard output");
  output.text() = text;
  const auto open = output.Flush();
  return open ? ExitStatus::kDone : Report(environment, ExitStatus::kWorld, open.error());
}

}  // namespace

ExitStatus Forget(const ForgetOptions& options, const Environment& environment) {
  const auto plan = PlanOf(options);
  if (!plan) {
    const bool refused = plan.error().code == ErrorCode::kRefuse;
    return Report(environment, refused ? ExitStatus::kUsage : ExitStatus::kWorld, plan.error());
  }
  if (!options.yes) {
    const ExitStatus asked = Print(environment, Question(*plan));
    if (asked != ExitStatus::kDone) return asked;
    const std::string answer = environment.read_line();
    if (answer != "y" && answer != "Y" && answer != "yes") {
      return Report(environment, ExitStatus::kNo,
                    {ErrorCode::kRefuse, options.spool.string(),
                     "nothing was removed: the answer was not y (--yes does not ask)"});
    }
  }
  const auto outcome = spool::RequestForget(options.spool, *plan);
  if (!outcome) return Report(environment, ExitStatus::kWorld, outcome.error());
  return Print(environment, outcome->queued
                                ? RecordsText(outcome->records) +
                                      " will be removed by the running owner of the spool\n"
                                : RecordsText(outcome->records) + " removed\n");
}

}  // namespace doagent::spool_tool
