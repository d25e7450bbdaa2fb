#include "tools/do-agent/settings.h"

#include <algorithm>
#include <utility>

#include "spool/utf8.h"
#include "tools/cli/near_miss.h"
#include "tools/cli/typed_value.h"
#include "tools/do-agent/retention_settings.h"
#include "tools/do-agent/setting_table.h"

namespace doagent::agent {
namespace {

using cli::At;
using cli::ErrorAt;
using cli::Value;
using cli::Values;

constexpr Nanoseconds kIntervalMin = std::chrono::milliseconds(50);
constexpr Nanoseconds kIntervalMax = std::chrono::hours(1);
constexpr Nanoseconds kRunForMin = std::chrono::milliseconds(1);
constexpr Nanoseconds kRunForMax = std::chrono::hours(24) * 10'000;
constexpr std::uint64_t kCountMax = 1'000'000;
constexpr std::size_t kEndpointsMax = 8;
constexpr std::size_t kHostTextBytesMax = 255;

// A text that goes into every record's origin, so no control characters and no novels.
Result<std::string> ToHostText(const Value& value) {
  const std::string& text = value.text();
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f;
  });
  if (!printable) return Fail(ErrorAt(value, "has control characters in it; remove them"));
  if (!IsUtf8(text)) return Fail(ErrorAt(value, "is not UTF-8; write it in UTF-8"));
  if (text.size() > kHostTextBytesMax) {
    return Fail(ErrorAt(value, "is longer than 255 bytes; shorten it"));
  }
  return text;
}

Result<HostSettings> ToHost(const Values& values) {
  HostSettings host;
  DOAGENT_ASSIGN(host.hostname, ToHostText(At(values, "hostname")));
  DOAGENT_ASSIGN(host.region, ToHostText(At(values, "region")));
  DOAGENT_ASSIGN(host.droplet_id, ToHostText(At(values, "droplet_id")));
  return host;
}

Result<std::vector<cli::Endpoint>> ToEndpoints(const Value& value, bool insecure) {
  if (value.items.size() > kEndpointsMax) {
    return Fail(ErrorAt(value, "has more than 8 endpoints; leave some out"));
  }
  std::vector<cli::Endpoint> endpoints;
  for (const std::string& url : value.items) {
    auto endpoint = cli::ParseEndpoint(url);
    if (!endpoint) return Fail(ErrorAt(value, endpoint.error()));
    const auto allowed = cli::CheckPlaintext(*endpoint, insecure);
    if (!allowed) return Fail(ErrorAt(value, allowed.error()));
    if (std::find(endpoints.begin(), endpoints.end(), *endpoint) != endpoints.end()) {
      return Fail(ErrorAt(value, "has \"" + url + "\" twice; name each endpoint once"));
    }
    endpoints.push_back(*std::move(endpoint));
  }
  return endpoints;
}

// What cannot be meant, whatever the files hold.
Result<void> CheckTogether(const DeliverySettings& delivery, const Values& values) {
  if (delivery.tls_cert.empty() != delivery.tls_key.empty()) {
    const bool cert = !delivery.tls_cert.empty();
    return Fail(ErrorAt(At(values, cert ? "tls_cert" : "tls_key"),
                        std::string("is set without ") + (cert ? "tls_key" : "tls_cert") +
                            "; a certificate and its key go together: set both or neither"));
  }
  const bool any_tls = std::any_of(delivery.endpoints.begin(), delivery.endpoints.end(),
                                   [](const cli::Endpoint& endpoint) { return endpoint.tls; });
  if (any_tls || delivery.endpoints.empty()) return {};
  for (const char* key : {"tls_ca", "tls_cert"}) {
    if (At(values, key).text().empty()) continue;
    return Fail(ErrorAt(At(values, key),
                        "means nothing while every endpoint is plaintext; use grpcs://, or leave "
                        "it out"));
  }
  return {};
}

Result<DeliverySettings> ToDelivery(const Values& values) {
  DeliverySettings delivery;
  DOAGENT_ASSIGN(delivery.insecure, cli::ToSwitch(At(values, "insecure")));
  DOAGENT_ASSIGN(delivery.endpoints, ToEndpoints(At(values, "endpoint"), delivery.insecure));
  DOAGENT_ASSIGN(delivery.token_file, cli::ToOptionalPath(At(values, "token_file")));
  DOAGENT_ASSIGN(delivery.tls_ca, cli::ToOptionalPath(At(values, "tls_ca")));
  DOAGENT_ASSIGN(delivery.tls_cert, cli::ToOptionalPath(At(values, "tls_cert")));
  DOAGENT_ASSIGN(delivery.tls_key, cli::ToOptionalPath(At(values, "tls_key")));
  DOAGENT_TRY(CheckTogether(delivery, values));
  return delivery;
}

// Exactly the named collectors.
Result<std::vector<std::string>> ToNamed(const Value& value, const Machine& machine) {
  std::vector<std::string> names;
  std::string all;
  for (const auto& info : machine.collectors) {
    names.push_back(info.name);
    all += (all.empty() ? "" : ", ") + info.name;
  }
  for (const std::string& name : value.items) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    std::string what = "there is no collector \"" + name + "\"";
    what += cli::DidYouMean(name, names) + "; there are " + all;
    return Fail(ErrorAt(value, std::move(what)));
  }
  return value.items;
}

// The collectors whose switches are on; nothing when all are as they are by default.
Result<std::optional<std::vector<std::string>>> ToSwitchedOn(const Values& values,
                                                             const Machine& machine) {
  std::vector<std::string> on;
  bool changed = false;
  for (const auto& info : machine.collectors) {
    DOAGENT_ASSIGN(const bool enabled, cli::ToSwitch(At(values, EnabledKey(info.name))));
    changed = changed || enabled != info.enabled_by_default;
    if (enabled) on.push_back(info.name);
  }
  return changed ? std::optional(std::move(on)) : std::nullopt;
}

Result<std::string> ToOptionText(const Value& value, const collector::OptionInfo& option) {
  if (!IsSwitch(option)) return value.text();
  DOAGENT_ASSIGN(const bool on, cli::ToSwitch(value));
  return std::string(on ? "true" : "false");
}

Result<collector::CollectorOptions> ToCollectorOptions(const Values& values,
                                                       const Machine& machine) {
  collector::CollectorOptions options;
  options.monotonic_now = machine.monotonic_now;
  options.user_hz = machine.user_hz;
  DOAGENT_ASSIGN(options.procfs, cli::ToPath(At(values, "procfs")));
  DOAGENT_ASSIGN(options.sysfs, cli::ToPath(At(values, "sysfs")));
  DOAGENT_ASSIGN(options.rootfs, cli::ToPath(At(values, "rootfs")));

  DOAGENT_ASSIGN(options.enabled, ToSwitchedOn(values, machine));
  const Value& named = At(values, "collectors");
  if (!named.items.empty()) {
    DOAGENT_ASSIGN(options.enabled, ToNamed(named, machine));
  }
  // Only what somebody set: a default pattern must not stand in the way of its opposite.
  for (const auto& info : machine.collectors) {
    for (const auto& option : info.options) {
      const Value& value = At(values, OptionKey(info.name, option.name));
      if (value.layer == cli::Layer::kDefault) continue;
      DOAGENT_ASSIGN(options.settings[info.name][option.name], ToOptionText(value, option));
    }
  }
  return options;
}

}  // namespace

Result<AgentSettings> ToAgentSettings(const Values& values, const Machine& machine) {
  AgentSettings settings;
  settings.config = At(values, "config").text();
  DOAGENT_ASSIGN(settings.log_level, cli::ToLogLevel(At(values, "log_level")));
  DOAGENT_ASSIGN(settings.spool, cli::ToPath(At(values, "spool")));
  DOAGENT_ASSIGN(settings.interval,
                 cli::ToDuration(At(values, "interval"), kIntervalMin, kIntervalMax));
  DOAGENT_ASSIGN(settings.run_for,
                 cli::Optional<Nanoseconds>(At(values, "run_for"), [](const Value& value) {
                   return cli::ToDuration(value, kRunForMin, kRunForMax);
                 }));
  DOAGENT_ASSIGN(settings.host, ToHost(values));
  DOAGENT_ASSIGN(settings.delivery, ToDelivery(values));
  DOAGENT_ASSIGN(settings.retention, ToRetention(values, settings.delivery.endpoints.empty()));
  DOAGENT_ASSIGN(settings.collector, ToCollectorOptions(values, machine));
  return settings;
}

Result<CollectSettings> ToCollectSettings(const Values& values) {
  CollectSettings settings;
  DOAGENT_ASSIGN(const std::size_t format,
                 cli::ToChoice(At(values, "collect.format"), {"prometheus", "json"}));
  settings.format = format == 0 ? CollectFormat::kPrometheus : CollectFormat::kJson;
  DOAGENT_ASSIGN(settings.count, cli::ToCount(At(values, "collect.count"), 1, kCountMax));
  DOAGENT_ASSIGN(settings.interval,
                 cli::ToDuration(At(values, "collect.interval"), kIntervalMin, kIntervalMax));
  return settings;
}

Result<CheckFormat> ToCheckFormat(const Values& values) {
  DOAGENT_ASSIGN(const std::size_t format,
                 cli::ToChoice(At(values, "check.format"), {"text", "json"}));
  return format == 0 ? CheckFormat::kText : CheckFormat::kJson;
}

}  // namespace doagent::agent
