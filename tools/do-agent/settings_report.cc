#include "tools/do-agent/settings_report.h"

#include <algorithm>

#include "tools/cli/sample_format.h"
#include "tools/cli/typed_value.h"

namespace doagent::agent {
namespace {

constexpr std::size_t kValueColumnMax = 48;  // a longer value only moves its own line

std::string Shown(const cli::Value& value) {
  std::string shown;
  for (const std::string& item : value.items) {
    if (!shown.empty()) shown += ", ";
    cli::AppendPrintable(item, shown);
  }
  return shown.empty() ? "-" : shown;
}

void AppendPadded(const std::string& text, std::size_t width, std::string& out) {
  out += text;
  out.append(text.size() < width ? width - text.size() : 0, ' ');
}

void AppendStrings(const std::vector<std::string>& texts, std::string& out) {
  out += '[';
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out += ',';
    cli::AppendJsonString(texts[i], out);
  }
  out += ']';
}

void AppendValue(const cli::Setting& setting, const cli::Value& value, std::string& out) {
  if (setting.kind == cli::SettingKind::kList) {
    AppendStrings(value.items, out);
  } else if (value.items.empty()) {
    out += "null";
  } else {
    cli::AppendJsonString(value.text(), out);
  }
}

}  // namespace

void AppendSettingsTable(const std::vector<cli::Setting>& settings, const cli::Values& values,
                         std::string& out) {
  std::size_t key_width = 0;
  std::size_t value_width = 0;
  for (const cli::Setting& setting : settings) {
    key_width = std::max(key_width, setting.key.size());
    value_width = std::max(value_width, Shown(cli::At(values, setting.key)).size());
  }
  value_width = std::min(value_width, kValueColumnMax);
  for (const cli::Setting& setting : settings) {
    const cli::Value& value = cli::At(values, setting.key);
    AppendPadded(setting.key, key_width + 2, out);
    AppendPadded(Shown(value), value_width, out);
    out += "  ";
    cli::AppendPrintable(value.origin, out);
    out += '\n';
  }
}

void AppendTrials(const std::vector<Trial>& trials, std::string& out) {
  std::size_t width = 0;
  for (const Trial& trial : trials) width = std::max(width, trial.subject.size());
  if (!trials.empty()) out += "\nTried, as run would do it:\n";
  for (const Trial& trial : trials) {
    AppendPadded(trial.subject, width + 2, out);
    // Why not is an error, and so on stderr.
    cli::AppendPrintable(trial.works ? trial.found : "would not work", out);
    out += '\n';
  }
}

void AppendReportJson(const std::vector<cli::Setting>& settings, const cli::Values& values,
                      const std::vector<Trial>& trials, const Findings& findings,
                      std::string& out) {
  out += R"({"settings":[)";
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const cli::Value& value = cli::At(values, settings[i].key);
    out += i == 0 ? R"({"key":)" : R"(,{"key":)";
    cli::AppendJsonString(value.key, out);
    out += R"(,"value":)";
    AppendValue(settings[i], value, out);
    out += R"(,"source":)";
    cli::AppendJsonString(cli::Name(value.layer), out);
    out += R"(,"origin":)";
    cli::AppendJsonString(value.origin, out);
    out += '}';
  }
  out += R"(],"trials":[)";
  for (std::size_t i = 0; i < trials.size(); ++i) {
    out += i == 0 ? R"({"subject":)" : R"(,{"subject":)";
    cli::AppendJsonString(trials[i].subject, out);
    out += trials[i].works ? R"(,"works":true,"says":)" : R"(,"works":false,"says":)";
    cli::AppendJsonString(trials[i].works ? trials[i].found : trials[i].error.Message(), out);
    out += '}';
  }
  out += R"(],"errors":)";
  std::vector<std::string> errors;
  for (const Error& error : findings.errors) errors.push_back(error.Message());
  AppendStrings(errors, out);
  out += R"(,"warnings":)";
  AppendStrings(findings.warnings, out);
  out += "}\n";
}

}  // namespace doagent::agent
