#include "tools/do-agent-spool/setting_table.h"

#include <string>
#include <utility>
#include <vector>

#include "tools/cli/version.h"
#include "tools/do-agent-spool/help.h"

namespace doagent::spool_tool {
namespace {

using cli::Setting;
using cli::SettingKind;

Setting Text(std::string key, std::string value_name, std::string help) {
  return {.key = std::move(key), .value_name = std::move(value_name), .help = std::move(help)};
}

Setting Switch(std::string key, std::string help) {
  return {.key = std::move(key),
          .kind = SettingKind::kSwitch,
          .fallback = "false",
          .help = std::move(help)};
}

// What each command has: the spool, and a format where it prints more than a line.
cli::Command CommandOf(const Help& help, std::vector<Setting> own) {
  cli::Command command{.name = help.name, .help = help.summary, .examples = help.examples};
  command.settings.push_back({.key = "spool",
                              .kind = SettingKind::kPath,
                              .value_name = "FILE",
                              .help = "File of the spool",
                              .required = true});
  if (*help.formats != '\0') {
    command.settings.push_back(
        {.key = "format", .fallback = "text", .value_name = "FORMAT", .help = help.formats});
  }
  for (Setting& setting : own) command.settings.push_back(std::move(setting));
  return command;
}

std::vector<Setting> StatusSettings() {
  return {Switch("watch", "Show it again and again until Ctrl-C"),
          {.key = "interval",
           .kind = SettingKind::kDuration,
           .fallback = "1s",
           .value_name = "DURATION",
           .help = "How often --watch looks"}};
}

std::vector<Setting> DumpSettings() {
  return {Text("from", "TIME",
               "Only records from this time on: RFC 3339, Unix seconds, or an age such as -2h"),
          Text("to", "TIME", "Only records before this time"),
          {.key = "match",
           .kind = SettingKind::kTexts,
           .value_name = "SELECTOR",
           .help = "Only series that match, and no events. May be repeated: then a series must "
                   "match one of them"},
          Text("origin", "ID", "Only records of the origin whose id begins with this"),
          Text("host", "NAME", "Only records of origins with this hostname"),
          Text("state", "STATE", "Only records that are pending, acknowledged or parked"),
          Switch("follow", "Then print each new record, until Ctrl-C"),
          Text("output", "FILE", "Write to the file instead of standard output")};
}

std::vector<Setting> SalvageSettings() {
  return {{.key = "output",
           .kind = SettingKind::kPath,
           .value_name = "FILE",
           .help = "File of the new spool. It must not exist yet",
           .required = true}};
}

std::vector<Setting> ForgetSettings() {
  return {Text("origin", "ID", "The origin whose id begins with this"),
          Text("host", "NAME", "All origins with this hostname"), Switch("yes", "Do not ask")};
}

}  // namespace

cli::Program SpoolProgram() {
  return {.name = "do-agent-spool",
          .version = cli::kVersion,
          .help = kSummary,
          .examples = kExamples,
          .commands = {
              CommandOf(kStatusHelp, StatusSettings()), CommandOf(kDumpHelp, DumpSettings()),
              CommandOf(kVerifyHelp, {}), CommandOf(kSalvageHelp, SalvageSettings()),
              CommandOf(kForgetHelp, ForgetSettings()),
              CommandOf(
                  kParkedHelp,
                  {Switch("retry", "Put all parked records back, so that they are sent again")})}};
}

}  // namespace doagent::spool_tool
