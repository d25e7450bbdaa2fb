#include "tools/cli/settings_file.h"

#include <sys/stat.h>
#include <toml++/toml.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <utility>

#include "tools/cli/near_miss.h"

namespace doagent::cli {
namespace {

std::string_view TypeName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "an array";
    case toml::node_type::string: return "a string";
    case toml::node_type::integer:
    case toml::node_type::floating_point: return "a number";
    case toml::node_type::boolean: return "true or false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time: return "a date or time";
    default: return "something else";
  }
}

// What to write, by the setting's kind.
std::string_view Wanted(SettingKind kind) {
  switch (kind) {
    case SettingKind::kDuration: return "a duration in quotes, such as \"10s\"";
    case SettingKind::kSwitch: return "true or false, without quotes";
    case SettingKind::kList: return "a string or an array of strings, such as [\"a\", \"b\"]";
    case SettingKind::kPath:
    case SettingKind::kText:
    case SettingKind::kTexts: break;
  }
  return "a string in quotes";
}

class FileReader {
 public:
  FileReader(std::string name, const std::vector<Setting>& settings) : name_(std::move(name)) {
    for (const Setting& setting : settings) {
      if (setting.scope != SettingScope::kEverywhere) continue;
      by_key_.emplace(setting.key, &setting);
      keys_.push_back(setting.key);
      // "a.b.c" stands in table "a.b", which stands in table "a".
      for (std::size_t dot = setting.key.find('.'); dot != std::string::npos;
           dot = setting.key.find('.', dot + 1)) {
        tables_.insert(setting.key.substr(0, dot));
      }
    }
    keys_.insert(keys_.end(), tables_.begin(), tables_.end());
  }

  // Recursion is as deep as our keys have dots, whatever the file holds.
  Result<void> ReadTable(const toml::table& table, const std::string& prefix) {
    for (const auto& [name, node] : table) {
      const std::string key = prefix + std::string(name.str());
      if (const auto setting = by_key_.find(key); setting != by_key_.end()) {
        DOAGENT_TRY(ReadValue(*setting->second, node));
      } else if (tables_.count(key) == 0) {
        std::string what = "there is no setting \"" + key + "\"";
        what += DidYouMean(key, keys_) + "; correct or remove it";
        return Refuse(name.source(), std::move(what));
      } else if (!node.is_table()) {
        std::string what = key + ": is ";
        what += TypeName(node);
        what += ", but must be a table: [" + key + "]";
        return Refuse(node.source(), std::move(what));
      } else {
        DOAGENT_TRY(ReadTable(*node.as_table(), key + "."));
      }
    }
    return {};
  }

  Values TakeValues() { return std::move(values_); }

 private:
  Result<void> ReadValue(const Setting& setting, const toml::node& node) {
    Value value{setting.key, {}, Layer::kFile, Place(node.source())};
    const std::string* const text = node.is_string() ? &node.as_string()->get() : nullptr;
    if (setting.kind == SettingKind::kSwitch && node.is_boolean()) {
      value.items = {node.as_boolean()->get() ? "true" : "false"};
    } else if (setting.kind == SettingKind::kList && node.is_array()) {
      DOAGENT_TRY(ReadItems(setting, *node.as_array(), value.items));
    } else if (setting.kind == SettingKind::kList && text != nullptr) {
      value.items = SplitList(*text);
    } else if (setting.kind != SettingKind::kSwitch && text != nullptr) {
      if (!text->empty()) value.items = {*text};
    } else {
      return WrongType(setting, node);
    }
    values_.insert_or_assign(setting.key, std::move(value));
    return {};
  }

  Result<void> ReadItems(const Setting& setting, const toml::array& array,
                         std::vector<std::string>& items) const {
    for (const toml::node& item : array) {
      if (!item.is_string()) return WrongType(setting, item);
      items.push_back(item.as_string()->get());
    }
    return {};
  }

  tl::unexpected<Error> WrongType(const Setting& setting, const toml::node& node) const {
    return Refuse(node.source(), setting.key + ": is " + std::string(TypeName(node)) +
                                     ", but must be " + std::string(Wanted(setting.kind)));
  }

  std::string Place(const toml::source_region& source) const {
    return name_ + ":" + std::to_string(source.begin.line);
  }

  tl::unexpected<Error> Refuse(const toml::source_region& source, std::string what) const {
    return Fail(ErrorCode::kRefuse, Place(source), std::move(what));
  }

  const std::string name_;
  std::map<std::string, const Setting*> by_key_;
  std::set<std::string> tables_;
  std::vector<std::string> keys_;  // and tables: what a slip may have meant
  Values values_;
};

// A dotted key nests a table for each of its parts, and the library takes them apart recursively:
// tens of thousands of them would exhaust the stack.
bool HasEndlessKey(std::string_view text) {
  constexpr std::string_view kOfKeys =
      ".-_\"' \tabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  constexpr int kPartsMax = 100;
  int dots = 0;
  for (const char c : text) {
    if (c == '.' && ++dots > kPartsMax) return true;
    if (kOfKeys.find(c) == std::string_view::npos) dots = 0;
  }
  return false;
}

}  // namespace

Result<Values> ParseSettings(std::string_view text, const std::string& name,
                             const std::vector<Setting>& settings) {
  if (HasEndlessKey(text)) {
    return Fail(ErrorCode::kRefuse, name, "has a key of more than 100 parts; remove it");
  }
  try {
    const toml::table table = toml::parse(text, name);
    FileReader reader(name, settings);
    DOAGENT_TRY(reader.ReadTable(table, ""));
    return reader.TakeValues();
  } catch (const toml::parse_error& error) {  // the library's way to say it
    return Fail(ErrorCode::kRefuse, name + ":" + std::to_string(error.source().begin.line),
                "is not valid TOML: " + std::string(error.description()) +
                    "; write settings as: interval = \"10s\"");
  }
}

Result<Values> ReadSettingsFile(const std::filesystem::path& path,
                                const std::vector<Setting>& settings) {
  const auto cannot = [&path](int error) {
    return Fail(ErrorCode::kRefuse, path.string(),
                std::string("the configuration file cannot be read: ") + std::strerror(error) +
                    "; correct the path or the file's permissions");
  };
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return cannot(errno);
  // A pipe would keep whoever opens it waiting.
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
    return Fail(ErrorCode::kRefuse, path.string(),
                "the configuration file is not a file; correct the path");
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return cannot(errno);
  std::string text(kSettingsFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return cannot(errno);
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kSettingsFileBytesMax) {
    return Fail(ErrorCode::kRefuse, path.string(),
                "the configuration file is larger than 1 MiB; this cannot be the right file");
  }
  return ParseSettings(text, path.string(), settings);
}

}  // namespace doagent::cli
