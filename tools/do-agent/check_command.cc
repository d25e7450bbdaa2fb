#include "tools/do-agent/check_command.h"

#include "tools/cli/typed_value.h"
#include "tools/do-agent/settings_report.h"

namespace doagent::agent {

Result<CheckOutcome> Check(const std::vector<cli::Setting>& settings, const cli::Values& values,
                           const Machine& machine, const Resolver& resolve) {
  DOAGENT_ASSIGN(const CheckFormat format, ToCheckFormat(values));
  CheckOutcome outcome;
  std::vector<Trial> trials;
  const auto meant = ToAgentSettings(values, machine);
  outcome.settings_make_sense = meant.has_value();
  if (meant) {
    outcome.findings = CheckSettings(*meant, values);
    if (outcome.findings.floor) outcome.findings.errors.push_back(*outcome.findings.floor);
    trials = TryWhatRunDoes(*meant, values, resolve);
    for (const Trial& trial : trials) {
      if (!trial.works) outcome.findings.errors.push_back(trial.error);
    }
  } else {
    outcome.findings.errors.push_back(meant.error());
  }
  if (format == CheckFormat::kJson) {
    AppendReportJson(settings, values, trials, outcome.findings, outcome.out);
  } else {
    AppendSettingsTable(settings, values, outcome.out);
    AppendTrials(trials, outcome.out);
  }
  return outcome;
}

}  // namespace doagent::agent
