#include "tools/do-agent/setting_table.h"

#include <string>
#include <utility>

#include "tools/cli/version.h"
#include "tools/do-agent/node_exporter_flags.h"

namespace doagent::agent {
namespace {

using cli::Setting;
using cli::SettingKind;
using cli::SettingScope;

constexpr const char* kRetention = "What is kept";
constexpr const char* kDelivery = "Delivery";
constexpr const char* kHost = "This host";
constexpr const char* kCollectors = "Collectors (RE2 patterns match anywhere unless anchored)";

void Append(std::vector<Setting>& settings, std::vector<Setting> more) {
  for (Setting& setting : more) settings.push_back(std::move(setting));
}

// What every command takes.
std::vector<Setting> CommonSettings() {
  return {{.key = "config",
           .kind = SettingKind::kPath,
           .value_name = "FILE",
           .help = "TOML file with settings. Not set: /etc/do-agent/do-agent.toml, if it exists. "
                   "Empty: no file",
           .scope = SettingScope::kNotInFile}};
}

std::vector<Setting> KeepingSettings() {
  return {{.key = "spool",
           .kind = SettingKind::kPath,
           .fallback = "/var/lib/do-agent/spool.db",
           .value_name = "FILE",
           .help = "File that keeps the snapshots. Its folder must exist"},
          {.key = "interval",
           .kind = SettingKind::kDuration,
           .fallback = "10s",
           .value_name = "DURATION",
           .help = "Time between two snapshots, from 50ms to 1h"},
          {.key = "run_for",
           .kind = SettingKind::kDuration,
           .value_name = "DURATION",
           .help = "Stop after this time. Not set: run until SIGTERM or SIGINT"},
          {.key = "log_level",
           .fallback = "info",
           .value_name = "LEVEL",
           .help = "Log messages of this level and above: trace, debug, info, warning or error"}};
}

std::vector<Setting> RetentionSettingTable() {
  return {
      {.key = "spool_bytes_max",
       .fallback = "1GiB",
       .value_name = "SIZE",
       .help = "Largest size of the spool on disk. When it is reached, delivered records are "
               "deleted, oldest first. Then undelivered records are thinned, and only then deleted",
       .group = kRetention},
      {.key = "disk_free_min",
       .fallback = "0",
       .value_name = "SIZE",
       .help = "Space that must stay free on the disk of the spool. Records are deleted in the "
               "same order",
       .group = kRetention},
      {.key = "retain_acknowledged",
       .kind = SettingKind::kDuration,
       .fallback = "24h",
       .value_name = "DURATION",
       .help = "How long delivered records are kept",
       .group = kRetention},
      {.key = "retain",
       .kind = SettingKind::kDuration,
       .value_name = "DURATION",
       .help = "How long records are kept when there is no endpoint. Not set: until the space is "
               "needed",
       .group = kRetention},
      {.key = "retain_floor",
       .kind = SettingKind::kDuration,
       .fallback = "0",
       .value_name = "DURATION",
       .help = "Records younger than this are deleted only when nothing else makes room",
       .group = kRetention}};
}

std::vector<Setting> DeliverySettingTable() {
  return {
      {.key = "endpoint",
       .kind = SettingKind::kList,
       .value_name = "URL",
       .help = "Receiver to send to: grpcs://host:port (TLS), or grpc://host:port on this machine. "
               "Several: the first one that answers. None: the history only stays here",
       .group = kDelivery},
      {.key = "token_file",
       .kind = SettingKind::kPath,
       .value_name = "FILE",
       .help = "File with the bearer token of this host",
       .group = kDelivery},
      {.key = "tls_ca",
       .kind = SettingKind::kPath,
       .value_name = "FILE",
       .help = "Certificates to trust, in PEM. Not set: the system's",
       .group = kDelivery},
      {.key = "tls_cert",
       .kind = SettingKind::kPath,
       .value_name = "FILE",
       .help = "Certificate of this host with its chain, in PEM. Needs --tls-key",
       .group = kDelivery},
      {.key = "tls_key",
       .kind = SettingKind::kPath,
       .value_name = "FILE",
       .help = "Key of that certificate, in PEM",
       .group = kDelivery},
      {.key = "insecure",
       .kind = SettingKind::kSwitch,
       .fallback = "false",
       .help = "Allow grpc:// (no encryption) to other machines",
       .group = kDelivery}};
}

std::vector<Setting> HostSettingTable() {
  return {{.key = "hostname",
           .value_name = "NAME",
           .help = "Name of this host in the spool. Not set: the kernel's host name",
           .group = kHost},
          {.key = "region",
           .value_name = "NAME",
           .help = "Region or site of this host",
           .group = kHost},
          {.key = "droplet_id",
           .value_name = "ID",
           .help = "Identity of this host. Not set: its machine id",
           .group = kHost}};
}

// How a switch stands by default, for its help.
std::string OnOff(bool on, const std::string& off_flag) {
  return on ? " (on; off: --" + off_flag + ")" : " (off)";
}

Setting OptionSetting(const std::string& collector, const collector::OptionInfo& option) {
  const std::string flag = "collector." + collector + "." + option.name;
  Setting setting{.key = OptionKey(collector, option.name),
                  .fallback = option.default_value,
                  .value_name = "TEXT",
                  .help = option.description,
                  .group = kCollectors,
                  .flags = {flag}};
  for (const std::string& older : option.older_names) {
    setting.older_flags.push_back(OptionKey(collector, older));
  }
  if (IsSwitch(option)) {
    setting.kind = SettingKind::kSwitch;
    setting.off_flag = "no-" + flag;
    setting.help += OnOff(option.default_value == "true", setting.off_flag);
  }
  return setting;
}

std::vector<Setting> SourceSettings(const std::vector<collector::CollectorInfo>& collectors) {
  std::vector<Setting> settings = {
      {.key = "procfs",
       .kind = SettingKind::kPath,
       .fallback = "/proc",
       .value_name = "DIR",
       .help = "Where procfs is mounted",
       .group = kCollectors,
       .flags = {"procfs", "path.procfs"}},
      {.key = "sysfs",
       .kind = SettingKind::kPath,
       .fallback = "/sys",
       .value_name = "DIR",
       .help = "Where sysfs is mounted",
       .group = kCollectors,
       .flags = {"sysfs", "path.sysfs"}},
      {.key = "rootfs",
       .kind = SettingKind::kPath,
       .fallback = "/",
       .value_name = "DIR",
       .help = "Where the host's root file system is mounted",
       .group = kCollectors,
       .flags = {"rootfs", "path.rootfs"}},
      {.key = "udev_data",
       .kind = SettingKind::kPath,
       .value_name = "DIR",
       .help = "Accepted because node_exporter has it. do-agent does not read it",
       .group = kCollectors,
       .flags = {"path.udev.data"},
       .scope = SettingScope::kOnlyFlag},
      {.key = "collectors",
       .kind = SettingKind::kList,
       .value_name = "NAMES",
       .help = "Run exactly these collectors. The switches below then mean nothing",
       .group = kCollectors}};
  for (const auto& collector : collectors) {
    const std::string off = "no-collector." + collector.name;
    settings.push_back({.key = EnabledKey(collector.name),
                        .kind = SettingKind::kSwitch,
                        .fallback = collector.enabled_by_default ? "true" : "false",
                        .help = collector.description + OnOff(collector.enabled_by_default, off),
                        .group = kCollectors,
                        .flags = {"collector." + collector.name},
                        .off_flag = off});
    for (const auto& option : collector.options) {
      settings.push_back(OptionSetting(collector.name, option));
    }
  }
  return settings;
}

std::vector<Setting> CollectOnlySettings() {
  return {{.key = "collect.format",
           .fallback = "prometheus",
           .value_name = "FORMAT",
           .help = "prometheus (text exposition) or json (one object a line)",
           .flags = {"format"},
           .scope = SettingScope::kOnlyFlag},
          {.key = "collect.count",
           .fallback = "1",
           .value_name = "NUMBER",
           .help = "How many snapshots to print",
           .flags = {"count"},
           .scope = SettingScope::kOnlyFlag},
          {.key = "collect.interval",
           .kind = SettingKind::kDuration,
           .fallback = "1s",
           .value_name = "DURATION",
           .help = "Time between two snapshots",
           .flags = {"interval"},
           .scope = SettingScope::kOnlyFlag}};
}

std::vector<Setting> CheckOnlySettings() {
  return {{.key = "check.format",
           .fallback = "text",
           .value_name = "FORMAT",
           .help = "text (a table) or json (one object)",
           .flags = {"format"},
           .scope = SettingScope::kOnlyFlag}};
}

constexpr const char* kPrecedence =
    "Each setting can also be a variable or a key in the file: --token-file is\n"
    "DO_AGENT_TOKEN_FILE, and token_file in the file. A flag beats a variable, and a variable\n"
    "beats the file.";

}  // namespace

bool IsSwitch(const collector::OptionInfo& option) {
  return option.default_value == "true" || option.default_value == "false";
}

std::string EnabledKey(const std::string& collector) {
  return "collector." + collector + ".enabled";
}

std::string OptionKey(const std::string& collector, const std::string& option) {
  return "collector." + collector + "." + option;
}

std::vector<Setting> AgentSettingTable(const std::vector<collector::CollectorInfo>& collectors) {
  std::vector<Setting> settings = CommonSettings();
  Append(settings, KeepingSettings());
  Append(settings, RetentionSettingTable());
  Append(settings, DeliverySettingTable());
  Append(settings, HostSettingTable());
  Append(settings, SourceSettings(collectors));
  return settings;
}

std::vector<Setting> AllSettings(const std::vector<collector::CollectorInfo>& collectors) {
  std::vector<Setting> settings = AgentSettingTable(collectors);
  Append(settings, CollectOnlySettings());
  Append(settings, CheckOnlySettings());
  return settings;
}

cli::Program AgentProgram(const std::vector<collector::CollectorInfo>& collectors) {
  cli::Command run{
      .name = "run",
      .help =
          "Takes a snapshot of this host at every interval, stores it durably, and sends it to a "
          "receiver if one is set",
      .examples = std::string("Examples:\n"
                              "  do-agent run --spool ./spool.db --interval 1s\n"
                              "  do-agent run --endpoint "
                              "grpcs://metrics.example:4317 --token-file "
                              "/etc/do-agent/token\n"
                              "  do-agent run --no-collector.diskstats "
                              "--collector.netdev.device-include='^eth'\n\n") +
                  kPrecedence +
                  "\n\nExit status: 0 stopped by SIGTERM, SIGINT or --run-for; 2 wrong "
                  "usage or configuration;\n3 the spool cannot be used, or what was "
                  "collected last could not be stored.",
      .settings = AgentSettingTable(collectors)};
  cli::Command collect{.name = "collect",
                       .help = "Prints a snapshot of this host. Stores nothing",
                       .examples =
                           "Examples:\n"
                           "  do-agent collect\n"
                           "  do-agent collect --format json --count 3 --interval 500ms\n"
                           "  do-agent collect --collectors meminfo,loadavg --procfs "
                           "./copy/proc\n\n"
                           "Exit status: 0 done; 1 a collector failed, stderr says which, and the "
                           "rest is there;\n2 wrong usage or configuration; 3 no collector found "
                           "anything, or the output cannot be\nwritten.",
                       .settings = CommonSettings()};
  Append(collect.settings, CollectOnlySettings());
  Append(collect.settings, SourceSettings(collectors));
  cli::Command check{.name = "check",
                     .help =
                         "Prints each setting that `run` would have with the same options. Then "
                         "tries what `run` would do: each collector, the folder of the spool, the "
                         "files, the names of the endpoints. Changes nothing",
                     .examples = std::string("Examples:\n"
                                             "  do-agent check\n"
                                             "  do-agent check --config ./do-agent.toml\n"
                                             "  DO_AGENT_INTERVAL=5s do-agent check --format json "
                                             "| jq '.settings[] | select(.source != "
                                             "\"default\")'\n\n") +
                                 kPrecedence +
                                 "\n\nExit status: 0 run would work; 1 something would not, and "
                                 "stderr says what; 2 a setting\nmakes no sense.",
                     .settings = AgentSettingTable(collectors)};
  Append(check.settings, CheckOnlySettings());
  return {.name = "do-agent",
          .version = cli::kVersion,
          .help =
              "A host-metrics agent that never loses a sample. It stores every snapshot of /proc "
              "and /sys durably before it sends it.",
          .examples =
              "Examples:\n"
              "  do-agent collect\n"
              "  do-agent run --spool ./spool.db --interval 1s\n"
              "  do-agent check\n\n"
              "Exit status: 0 done; 1 a check or a collector failed; 2 wrong usage or "
              "configuration;\n3 a file, address or disk refused.",
          .commands = {std::move(run), std::move(collect), std::move(check)},
          .foreign_flag = NodeExporterFlag};
}

}  // namespace doagent::agent
