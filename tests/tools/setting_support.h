// A small table of settings, one of each kind and scope.
#pragma once

#include <vector>

#include "tools/cli/setting.h"

namespace doagent::test {

inline std::vector<cli::Setting> SmallTable() {
  using cli::SettingKind;
  using cli::SettingScope;
  return {{.key = "config", .kind = SettingKind::kPath, .scope = SettingScope::kNotInFile},
          {.key = "interval",
           .kind = SettingKind::kDuration,
           .fallback = "10s",
           .value_name = "DURATION",
           .help = "How often"},
          {.key = "token_file", .kind = SettingKind::kPath, .value_name = "FILE", .help = "Token"},
          {.key = "insecure", .kind = SettingKind::kSwitch, .fallback = "false", .help = "Plain"},
          {.key = "endpoint", .kind = SettingKind::kList, .value_name = "URL", .help = "Where"},
          {.key = "procfs",
           .kind = SettingKind::kPath,
           .fallback = "/proc",
           .value_name = "DIR",
           .help = "Where procfs is",
           .flags = {"procfs", "path.procfs"}},
          {.key = "collector.netdev.enabled",
           .kind = SettingKind::kSwitch,
           .fallback = "true",
           .help = "Devices",
           .group = "Collectors",
           .flags = {"collector.netdev"},
           .off_flag = "no-collector.netdev"},
          {.key = "collector.netdev.device-include",
           .value_name = "TEXT",
           .help = "Which",
           .group = "Collectors"},
          {.key = "collect.count",
           .fallback = "1",
           .value_name = "NUMBER",
           .help = "How many",
           .flags = {"count"},
           .scope = SettingScope::kOnlyFlag}};
}

}  // namespace doagent::test
