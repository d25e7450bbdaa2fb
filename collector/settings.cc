#include "collector/settings.h"

#include "spool/check.h"

namespace doagent::collector {

Result<Settings> Settings::Resolve(const CollectorInfo& info,
                                   const std::map<std::string, std::string>& given) {
  Settings settings;
  settings.collector_ = info.name;
  settings.given_ = given;
  std::string known;
  for (const auto& option : info.options) {
    settings.defaults_[option.name] = option.default_value;
    known += (known.empty() ? "" : ", ") + option.name;
  }
  for (const auto& [option, value] : given) {
    if (settings.defaults_.count(option) != 0) continue;
    return Fail(ErrorCode::kRefuse, settings.FullName(option),
                known.empty() ? "the collector has no options"
                              : "no such option; the collector has: " + known);
  }
  return settings;
}

const std::string& Settings::Get(const std::string& option) const {
  if (const auto it = given_.find(option); it != given_.end()) return it->second;
  const auto it = defaults_.find(option);
  DOAGENT_CHECK(it != defaults_.end());
  return it->second;
}

std::string Settings::FullName(const std::string& option) const {
  return "collector." + collector_ + "." + option;
}

Result<bool> Settings::GetBool(const std::string& option) const {
  const std::string& value = Get(option);
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  return Fail(ErrorCode::kRefuse, FullName(option),
              "\"" + value + "\" is neither \"true\" nor \"false\"");
}

Result<NamePattern> Settings::GetPattern(const std::string& option) const {
  return NamePattern::Compile(FullName(option), Get(option));
}

Result<NameFilter> Settings::GetDeviceFilter() const {
  const std::string include_option = FullName("device-include");
  const std::string exclude_option = FullName("device-exclude");
  const std::string& include = Get("device-include");
  const bool drop_default = !include.empty() && !IsGiven("device-exclude");
  const std::string exclude = drop_default ? "" : Get("device-exclude");
  if (!include.empty() && !exclude.empty()) {
    return Fail(ErrorCode::kRefuse, include_option,
                "\"" + include + "\" cannot be set together with " + exclude_option + " \"" +
                    exclude + "\": remove one of them");
  }
  return NameFilter::Compile(include_option, include, exclude_option, exclude);
}

}  // namespace doagent::collector
