#include "tests/support/snapshots.h"

#include <memory>
#include <random>

namespace doagent::test {

using spool::Family;
using spool::MetricType;
using spool::Section;
using spool::Series;
using spool::Snapshot;
using spool::ValueKind;

spool::SchemaPtr MakeSchema(const std::string& collector, int gauges) {
  const std::vector<Family> families = {
      {"test_" + collector + "_gauge", "A gauge.", MetricType::kGauge, {}, ""},
      {"test_" + collector + "_total",
       "A counter.",
       MetricType::kCounter,
       {ValueKind::kUnsigned, 1, 100},
       ""},
      {"test_" + collector + "_ratio",
       "A double.",
       MetricType::kGauge,
       {ValueKind::kDouble, 1, 1},
       ""},
      {"test_" + collector + "_info",
       "An info.",
       MetricType::kGauge,
       {ValueKind::kConstant, 1, 1},
       ""},
  };
  std::vector<Series> series;
  for (int i = 0; i < gauges; ++i) series.push_back({0, {{"device", "d" + std::to_string(i)}}});
  series.push_back({1, {}});
  series.push_back({2, {}});
  series.push_back({3, {{"version", "1"}}});
  return std::make_shared<const spool::Schema>(collector, families, series);
}

Section MakeSection(const spool::SchemaPtr& schema, std::uint64_t seed) {
  Section section{schema, {}, std::vector<std::uint8_t>(schema->size(), 1)};
  std::mt19937_64 random(seed);
  for (std::size_t i = 0; i < schema->size(); ++i) {
    switch (schema->family_of(i).representation.kind) {
      case ValueKind::kSigned: section.values.push_back(random() % 1000 - 500); break;
      case ValueKind::kUnsigned: section.values.push_back(seed * 7); break;
      case ValueKind::kDouble:
        section.values.push_back(spool::BitsOf(static_cast<double>(seed) * 0.1));
        break;
      case ValueKind::kConstant: section.values.push_back(0); break;
    }
  }
  return section;
}

Snapshot MakeSnapshot(std::uint64_t tick) {
  static const spool::SchemaPtr kFirst = MakeSchema("first", 5);
  static const spool::SchemaPtr kSecond = MakeSchema("second", 3);
  const auto seconds = std::chrono::seconds(tick);
  return {WallTime(std::chrono::seconds(1'700'000'000) + seconds),
          MonoTime(std::chrono::seconds(1000) + seconds),
          TestBootId(),
          {MakeSection(kFirst, tick), MakeSection(kSecond, tick)}};
}

BootId TestBootId() {
  return *BootId::FromBytes("0123456789abcdef");
}

spool::Host TestHost(const std::string& machine_id) {
  return {"host-1", machine_id, "", "", "test"};
}

spool::SpoolOptions TestSpoolOptions(const std::filesystem::path& path, std::uint64_t seed) {
  spool::SpoolOptions options;
  options.path = path;
  options.host = TestHost();
  options.boot_id = TestBootId();
  options.program = "test";
  options.local = false;
  const auto random = std::make_shared<std::mt19937_64>(seed);
  options.random = [random] { return (*random)(); };
  options.wall = WallTime(std::chrono::seconds(1'700'000'000));
  options.mono = MonoTime(std::chrono::seconds(1000));
  return options;
}

bool SameSnapshot(const Snapshot& a, const Snapshot& b) {
  if (a.wall != b.wall || a.mono != b.mono || a.boot_id != b.boot_id ||
      a.sections.size() != b.sections.size()) {
    return false;
  }
  for (std::size_t s = 0; s < a.sections.size(); ++s) {
    const Section& left = a.sections[s];
    const Section& right = b.sections[s];
    if (*left.schema != *right.schema || left.present != right.present) return false;
    for (std::size_t i = 0; i < left.values.size(); ++i) {
      const bool constant = left.schema->family_of(i).representation.kind == ValueKind::kConstant;
      if (left.present[i] != 0 && !constant && left.values[i] != right.values[i]) return false;
    }
  }
  return true;
}

}  // namespace doagent::test
