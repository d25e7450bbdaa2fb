#include "tools/cli/setting.h"

#include <algorithm>
#include <cctype>

#include "spool/check.h"

namespace doagent::cli {

std::string FlagOf(const Setting& setting) {
  if (!setting.flags.empty()) return "--" + setting.flags.front();
  std::string flag = "--" + setting.key;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string VariableOf(const Setting& setting) {
  std::string variable(kVariablePrefix);
  for (const char c : setting.key) {
    const auto byte = static_cast<unsigned char>(c);
    variable.push_back(std::isalnum(byte) != 0 ? static_cast<char>(std::toupper(byte)) : '_');
  }
  return variable;
}

std::string_view Name(Layer layer) {
  switch (layer) {
    case Layer::kDefault: return "default";
    case Layer::kFile: return "file";
    case Layer::kVariable: return "variable";
    case Layer::kFlag: return "flag";
  }
  return "";
}

const std::string& Value::text() const {
  static const std::string none;
  DOAGENT_CHECK(items.size() <= 1);
  return items.empty() ? none : items.front();
}

std::string Value::Place() const {
  switch (layer) {
    case Layer::kDefault: return key;
    case Layer::kFile: return origin + ": " + key;
    case Layer::kVariable:
    case Layer::kFlag: break;
  }
  return origin;
}

std::vector<std::string> SplitList(std::string_view text) {
  constexpr std::string_view kSeparators = ", \t\r\n";
  std::vector<std::string> items;
  std::size_t begin = text.find_first_not_of(kSeparators);
  while (begin != std::string_view::npos) {
    const std::size_t end = std::min(text.find_first_of(kSeparators, begin), text.size());
    items.emplace_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kSeparators, end);
  }
  return items;
}

Values Defaults(const std::vector<Setting>& settings) {
  Values values;
  for (const Setting& setting : settings) {
    Value value;
    value.key = setting.key;
    if (!setting.fallback.empty()) value.items = {setting.fallback};
    const bool is_new = values.emplace(setting.key, std::move(value)).second;
    DOAGENT_CHECK(is_new);
  }
  return values;
}

Values Layered(Values below, const Values& above) {
  for (const auto& [key, value] : above) below.insert_or_assign(key, value);
  return below;
}

}  // namespace doagent::cli
