// What do-agent was told to do: every setting in its own type, and what each command has beside
// them. Where the values come from is setting_table.h and load_settings.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "collector/options.h"
#include "spool/result.h"
#include "spool/spool.h"
#include "spool/time.h"
#include "tools/cli/endpoint.h"
#include "tools/cli/logging.h"
#include "tools/cli/setting.h"

namespace doagent::agent {

// Empty: what the machine says.
struct HostSettings {
  std::string hostname;
  std::string region;
  std::string droplet_id;
};

// Paths are empty where none was given.
struct DeliverySettings {
  std::vector<cli::Endpoint> endpoints;  // the first is preferred; none: keep history only
  std::filesystem::path token_file;
  std::filesystem::path tls_ca;
  std::filesystem::path tls_cert;
  std::filesystem::path tls_key;
  bool insecure = false;
};

struct AgentSettings {
  std::filesystem::path config;  // the file that was read; empty: none
  std::filesystem::path spool;
  Nanoseconds interval{};
  std::optional<Nanoseconds> run_for;
  cli::LogLevel log_level = cli::LogLevel::kInfo;
  HostSettings host;
  spool::RetentionPolicy retention;
  DeliverySettings delivery;
  collector::CollectorOptions collector;  // all of it, ready for Collector::Create
};

enum class CollectFormat { kPrometheus, kJson };

// What only `do-agent collect` has.
struct CollectSettings {
  CollectFormat format = CollectFormat::kPrometheus;
  std::uint64_t count = 1;  // snapshots to print
  Nanoseconds interval{};   // between them
};

enum class CheckFormat { kText, kJson };

// Each checks one value after the other; the error names where the first bad one came from.
// `collectors` are those that there are; the clock and the kernel's ticks a second are for the
// collector's options.
struct Machine {
  std::vector<collector::CollectorInfo> collectors;
  std::function<MonoTime()> monotonic_now;
  std::uint32_t user_hz = 100;
};
Result<AgentSettings> ToAgentSettings(const cli::Values& values, const Machine& machine);
Result<CollectSettings> ToCollectSettings(const cli::Values& values);
Result<CheckFormat> ToCheckFormat(const cli::Values& values);

}  // namespace doagent::agent
