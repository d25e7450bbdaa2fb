#include "tools/do-agent/retention_settings.h"

#include <string>

#include "tools/cli/duration.h"
#include "tools/cli/size.h"
#include "tools/cli/typed_value.h"
#include "tools/do-agent/clock.h"

namespace doagent::agent {
namespace {

using cli::At;
using cli::ErrorAt;
using cli::Value;
using cli::Values;

// The write-ahead log alone has more than a megabyte.
constexpr std::uint64_t kBytesMin = std::uint64_t{8} << 20;
constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 50;
constexpr Nanoseconds kAgeMin = std::chrono::minutes(1);
constexpr Nanoseconds kAgeMax = std::chrono::hours(24) * 36'500;
// What a sample takes in a sealed block of a busy host, with room for one that is busier.
constexpr double kBytesPerSample = 0.5;

bool Given(const Value& value) {
  return value.layer != cli::Layer::kDefault && !value.text().empty();
}

Result<void> CheckMeaning(const Values& values, bool local) {
  const Value& retain = At(values, "retain");
  if (!local && Given(retain)) {
    return Fail(ErrorAt(retain,
                        "means nothing while there is an endpoint: what is not delivered is kept, "
                        "and what is goes by retain_acknowledged; leave it out"));
  }
  const Value& acknowledged = At(values, "retain_acknowledged");
  if (local && Given(acknowledged)) {
    return Fail(ErrorAt(acknowledged,
                        "means nothing without an endpoint: nothing is acknowledged; set retain, "
                        "or leave both out to keep everything that there is room for"));
  }
  return {};
}

}  // namespace

Result<spool::RetentionPolicy> ToRetention(const Values& values, bool local) {
  DOAGENT_TRY(CheckMeaning(values, local));
  const auto to_age = [](const Value& value) { return cli::ToDuration(value, kAgeMin, kAgeMax); };
  spool::RetentionPolicy policy;
  DOAGENT_ASSIGN(policy.bytes_max,
                 cli::ToSize(At(values, "spool_bytes_max"), kBytesMin, kBytesMax));
  DOAGENT_ASSIGN(policy.disk_free_bytes_min,
                 cli::ToSize(At(values, "disk_free_min"), 0, kBytesMax));
  DOAGENT_ASSIGN(policy.floor,
                 cli::ToDuration(At(values, "retain_floor"), Nanoseconds(0), kAgeMax));
  const Value& age = At(values, local ? "retain" : "retain_acknowledged");
  DOAGENT_ASSIGN(const auto given, cli::Optional<Nanoseconds>(age, to_age));
  policy.expires = given.has_value();
  if (given) policy.age = *given;
  if (policy.expires && policy.floor > policy.age) {
    return Fail(ErrorAt(At(values, "retain_floor"),
                        cli::FormatDuration(policy.floor) + " is longer than the " +
                            cli::FormatDuration(policy.age) + " of " + age.key +
                            ", after which records go anyhow; shorten the one or lengthen the "
                            "other"));
  }
  return policy;
}

std::uint64_t CountSeries(collector::Collector& collector, const BootId& boot_id) {
  const Instant now = ReadClocks();
  spool::Snapshot snapshot;
  collector.Collect(now.wall, now.mono, boot_id, snapshot);
  std::uint64_t series = 0;
  for (const spool::Section& section : snapshot.sections) series += section.schema->size();
  return series;
}

std::uint64_t EstimatedFloorBytes(const spool::RetentionPolicy& policy, Nanoseconds interval,
                                  std::uint64_t series) {
  const double snapshots =
      static_cast<double>(policy.floor.count()) / static_cast<double>(interval.count());
  return static_cast<std::uint64_t>(snapshots * static_cast<double>(series) * kBytesPerSample);
}

Result<void> CheckFloorFits(const spool::RetentionPolicy& policy, Nanoseconds interval,
                            std::uint64_t series) {
  const std::uint64_t bytes = EstimatedFloorBytes(policy, interval, series);
  if (bytes <= policy.bytes_max) return {};
  return Fail(ErrorCode::kRefuse, "retain_floor",
              cli::FormatDuration(policy.floor) + " of " + std::to_string(series) +
                  " series every " + cli::FormatDuration(interval) + " take about " +
                  std::to_string(bytes >> 20) +
                  " MiB (half a byte a sample), more than "
                  "spool_bytes_max, " +
                  cli::FormatSize(policy.bytes_max) + "; raise that or shorten retain_floor");
}

}  // namespace doagent::agent
