// What an OpenMetrics dump learns in its first pass over a spool: which series there are, in which
// order they will stand, and how many samples each has. It holds no samples: its size is that of
// the series, however long the history.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "spool/reader.h"
#include "tools/cli/metric_family.h"
#include "tools/cli/openmetrics.h"

namespace doagent::cli {

class OpenMetricsPlan {
 public:
  struct Series {
    const std::string* family = nullptr;  // a name in families()
    std::string group;                    // GroupLabels
    FamilyPart part = FamilyPart::kValue;
    std::string text;  // `name{…,instance="…"}`
    std::uint64_t samples = 0;
  };

  // The series [first, end) of families that stand together: one series, or a histogram's parts.
  struct Metric {
    std::size_t first = 0;
    std::size_t end = 0;
    std::uint64_t samples = 0;
  };

  // REQUIRES the options to outlive the plan.
  explicit OpenMetricsPlan(const OpenMetricsOptions& options) : options_(options) {}

  // The first pass: notes a record's series and counts its samples.
  void Count(const spool::Record& record);
  // Its end: puts the series in order. Count is not called again.
  void Order();

  // After Order: ordered by family, group and part.
  const std::vector<Series>& series() const { return series_; }
  const std::vector<Metric>& metrics() const { return metrics_; }
  const FamilyTable& families() const { return families_; }

  // Further passes: calls visit(index into series(), value) for each sample of a record that was
  // there, or could have been, in the first pass; records behind its heads are passed over.
  template <typename Visit>
  void ForEachSample(const spool::Record& record, const Visit& visit) {
    const auto* snapshot = std::get_if<spool::Snapshot>(&record.content);
    const auto origin = origins_.find(record.spool_id);
    if (snapshot == nullptr || origin == origins_.end()) return;
    if (record.sequence > origin->second.head) return;
    for (const spool::Section& section : snapshot->sections) {
      const std::vector<std::uint32_t>& ids = IdsOf(section.schema, origin->second);
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (section.present[i] == 0 || ids[i] == kNone) continue;
        visit(places_[ids[i]],
              spool::ToDouble(section.schema->family_of(i).representation, section.values[i]));
      }
    }
  }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};  // not selected, or not planned
  // Of all id lists, beyond which they are made afresh.
  static constexpr std::size_t kIdsMax = 8 << 20;

  struct Origin {
    std::uint32_t number = 0;
    std::string instance;
    Sequence head = 0;
  };
  struct SchemaIds {
    spool::SchemaPtr schema;  // kept, so that its address stays its own
    std::vector<std::uint32_t> ids;
  };

  Origin& OriginOf(const SpoolId& spool_id);
  // Per series of the schema its number in the order of discovery.
  const std::vector<std::uint32_t>& IdsOf(const spool::SchemaPtr& schema, const Origin& origin);
  std::uint32_t Discover(const spool::Schema& schema, std::size_t series, const Origin& origin);

  const OpenMetricsOptions& options_;
  bool ordered_ = false;
  FamilyTable families_;
  std::unordered_map<SpoolId, Origin, SpoolId::Hash> origins_;
  std::unordered_map<std::string, std::uint32_t> numbers_;  // by text
  std::map<std::pair<const spool::Schema*, std::uint32_t>, SchemaIds> ids_;
  std::size_t ids_count_ = 0;
  std::vector<Series> series_;         // in the order of discovery until Order
  std::vector<std::uint32_t> places_;  // number -> index into series_, after Order
  std::vector<Metric> metrics_;
};

}  // namespace doagent::cli
