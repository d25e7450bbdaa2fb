// Families as the exposition formats know them.
//
// In a spool each part of a histogram or summary is a metric of its own: rpc_seconds_bucket,
// rpc_seconds_sum, rpc_seconds_count. The formats declare such parts once, as rpc_seconds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "spool/model.h"

namespace doagent::cli {

// Where a part stands among those of one histogram or summary.
enum class FamilyPart : std::uint8_t { kValue, kSum, kCount };

// How a metric is declared. What was stored as a histogram but has no histogram's name is untyped.
struct MetricIdentity {
  std::string_view family;  // of the metric's own name, up to the part's suffix
  spool::MetricType type = spool::MetricType::kUntyped;
  FamilyPart part = FamilyPart::kValue;
};

MetricIdentity IdentityOf(const spool::Family& family);

inline bool HasParts(spool::MetricType type) {
  return type == spool::MetricType::kHistogram || type == spool::MetricType::kSummary;
}

// What the parts of one histogram or summary have in common: their labels but `le` or `quantile`,
// in exposition syntax. Of any other metric: all labels.
std::string GroupLabels(const MetricIdentity& identity, const std::vector<spool::Label>& labels);

struct Declaration {
  spool::MetricType type = spool::MetricType::kUntyped;
  std::string help;
  std::string unit;
};

// The families of any number of schemas, each declared once. Names are sanitized
// (AppendMetricName): two that differ in forbidden characters alone are one family.
class FamilyTable {
 public:
  // Returns the name under which the family stands in the table. The first help and unit stay;
  // families that contradict each other in type become untyped.
  const std::string& Declare(const spool::Family& family);

  const Declaration& Get(const std::string& name) const { return families_.at(name); }
  bool Contains(const std::string& name) const { return families_.count(name) > 0; }

 private:
  std::map<std::string, Declaration, std::less<>> families_;
};

// HELP text with backslash and line feed escaped, and the quote too if asked (OpenMetrics).
void AppendHelp(std::string_view help, bool escape_quotes, std::string& out);

}  // namespace doagent::cli
