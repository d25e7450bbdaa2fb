// A program's settings as one table: key, kind, default and help of each, from which its flags, its
// DO_AGENT_* variables, the keys of its file and its own account of them are made.
//
//   key                              flag                                variable
//   token_file                       --token-file                        DO_AGENT_TOKEN_FILE
//   collector.netdev.device-include  --collector.netdev.device-include DO_AGENT_COLLECTOR_NETDEV_…
//
// A value is text until the program gives it its type (typed_value.h), and never loses where it
// came from.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace doagent::cli {

// What the names of all variables begin with.
inline constexpr std::string_view kVariablePrefix = "DO_AGENT_";

enum class SettingKind {
  kText,  // in the file a string; so are durations and paths
  kDuration,
  kPath,
  kSwitch,  // in the file true or false; as a flag it needs no value
  kList,    // texts with commas or white space between them; in the file an array too; a flag of it
            // may be given several times
  kTexts,   // only flags: may be given several times, each is one text whatever it holds
};

enum class SettingScope {
  kEverywhere,
  kNotInFile,  // a flag or a variable: what says which file it is
  kOnlyFlag,   // belongs to one call
};

struct Setting {
  std::string key;
  SettingKind kind = SettingKind::kText;
  std::string fallback = {};    // the default, as a person would write it; empty: none
  std::string value_name = {};  // "FILE", "DURATION"
  std::string help = {};        // one sentence, without a stop
  std::string group = {};       // a heading in the help
  // Flags without dashes where they are not made from the key: the first is the main one, the
  // others are other names for it.
  std::vector<std::string> flags = {};
  std::string off_flag = {};  // of a switch: the flag that turns it off
  SettingScope scope = SettingScope::kEverywhere;
  // Flags that other programs or versions have for it: taken, with a warning that names the main
  // one. Not in the help.
  std::vector<std::string> older_flags = {};
  bool required = false;  // must be given on the command line
};

// "--token-file".
std::string FlagOf(const Setting& setting);
// "DO_AGENT_TOKEN_FILE".
std::string VariableOf(const Setting& setting);

enum class Layer { kDefault, kFile, kVariable, kFlag };

// "default", "file", "variable", "flag".
std::string_view Name(Layer layer);

struct Value {
  std::string key;
  std::vector<std::string> items;  // one, except for lists; none: not set
  Layer layer = Layer::kDefault;
  std::string origin = "default";  // or `FILE:12`, `DO_AGENT_INTERVAL`, `--interval`

  // The one item, or "" if there is none. REQUIRES one at most.
  const std::string& text() const;
  // What an error about it names: `FILE:12: interval`, `DO_AGENT_INTERVAL`, `--interval`.
  std::string Place() const;

  friend bool operator==(const Value&, const Value&) = default;
};

// By key.
using Values = std::map<std::string, Value>;

// What commas or white space separate; empty items are none.
std::vector<std::string> SplitList(std::string_view text);

Values Defaults(const std::vector<Setting>& settings);

// Later layers win, value by value: a list replaces the list of the layer below.
Values Layered(Values below, const Values& above);

}  // namespace doagent::cli
