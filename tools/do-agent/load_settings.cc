#include "tools/do-agent/load_settings.h"

#include <system_error>

#include "tools/cli/settings_file.h"
#include "tools/cli/typed_value.h"

namespace doagent::agent {
namespace {

constexpr const char* kConfig = "config";

// Which file to read; without one it has no items.
cli::Value ConfigFile(const cli::Values& flags, const cli::Values& variables,
                      const std::filesystem::path& default_config) {
  if (const auto flag = flags.find(kConfig); flag != flags.end()) return flag->second;
  if (const auto variable = variables.find(kConfig); variable != variables.end()) {
    return variable->second;
  }
  cli::Value config;
  config.key = kConfig;
  std::error_code ignored;  // a folder that may not be searched: reading it would tell no more
  if (std::filesystem::exists(default_config, ignored)) config.items = {default_config.string()};
  return config;
}

}  // namespace

Result<cli::Values> LoadValues(const std::vector<cli::Setting>& settings, const cli::Values& flags,
                               const cli::Environment& environment,
                               const std::filesystem::path& default_config) {
  DOAGENT_ASSIGN(const cli::Values variables, cli::ReadVariables(environment, settings));
  const cli::Value config = ConfigFile(flags, variables, default_config);
  cli::Values file;
  if (!config.text().empty()) {
    DOAGENT_ASSIGN(file, cli::ReadSettingsFile(config.text(), settings));
  }
  cli::Values values = cli::Layered(cli::Defaults(settings), file);
  values = cli::Layered(std::move(values), variables);
  values = cli::Layered(std::move(values), flags);
  values.insert_or_assign(kConfig, config);
  return values;
}

Error Placed(const Error& error, const cli::Values& values) {
  const auto named = values.find(error.where);
  if (named == values.end()) return error;
  return {error.code, named->second.Place(), error.what};
}

}  // namespace doagent::agent
