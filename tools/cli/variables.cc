#include "tools/cli/variables.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "tools/cli/near_miss.h"

namespace doagent::cli {

Environment ProcessEnvironment() {
  Environment environment;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    environment.emplace_back(*variable);
  }
  return environment;
}

Result<Values> ReadVariables(const Environment& environment, const std::vector<Setting>& settings) {
  std::map<std::string, const Setting*> by_variable;
  std::vector<std::string> names;
  for (const Setting& setting : settings) {
    if (setting.scope == SettingScope::kOnlyFlag) continue;
    names.push_back(VariableOf(setting));
    by_variable.emplace(names.back(), &setting);
  }

  Values values;
  for (const std::string& variable : environment) {
    if (variable.rfind(kVariablePrefix, 0) != 0) continue;
    const std::size_t equals = variable.find('=');
    const std::string name = variable.substr(0, equals);
    const auto found = by_variable.find(name);
    if (found == by_variable.end()) {
      return Fail(
          ErrorCode::kRefuse, name,
          "there is no such setting" + DidYouMean(name, names) + "; correct the name or unset it");
    }
    const std::string text = equals == std::string::npos ? "" : variable.substr(equals + 1);
    Value value{found->second->key, {}, Layer::kVariable, name};
    if (found->second->kind == SettingKind::kList) {
      value.items = SplitList(text);
    } else if (!text.empty()) {
      value.items = {text};
    }
    values.insert_or_assign(found->second->key, std::move(value));
  }
  return values;
}

}  // namespace doagent::cli
