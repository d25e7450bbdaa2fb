#include "tools/do-agent/check_command.h"

#include <filesystem>
#include <system_error>

#include "spool/spool.h"
#include "tools/cli/typed_value.h"
#include "tools/do-agent/settings_report.h"

namespace doagent::agent {
namespace {

// Not in CheckSettings: run says it when it opens the spool, and then it is no setting's fault.
void CheckSpool(const AgentSettings& settings, const cli::Values& values, Findings& findings) {
  const auto warn = [&](const std::string& what) {
    findings.warnings.push_back(ErrorAt(cli::At(values, "spool"), what).Message());
  };
  const std::filesystem::path folder = settings.spool.parent_path();
  std::error_code ignored;
  if (!folder.empty() && !std::filesystem::is_directory(folder, ignored)) {
    return warn(folder.string() +
                " is not a folder, so that run cannot start; make it with: mkdir " +
                folder.string());
  }
  const auto usable = spool::Spool::CheckPath(settings.spool);
  if (!usable) warn("run cannot start: " + usable.error().Message());
}

}  // namespace

Result<CheckOutcome> Check(const std::vector<cli::Setting>& settings, const cli::Values& values,
                           const Machine& machine) {
  DOAGENT_ASSIGN(const CheckFormat format, ToCheckFormat(values));
  CheckOutcome outcome;
  const auto meant = ToAgentSettings(values, machine);
  if (meant) {
    outcome.findings = CheckSettings(*meant, values);
    if (outcome.findings.floor) outcome.findings.errors.push_back(*outcome.findings.floor);
    CheckSpool(*meant, values, outcome.findings);
  } else {
    outcome.findings.errors.push_back(meant.error());
  }
  if (format == CheckFormat::kJson) {
    AppendSettingsJson(settings, values, outcome.findings, outcome.out);
  } else {
    AppendSettingsTable(settings, values, outcome.out);
  }
  return outcome;
}

}  // namespace doagent::agent
