#include "tools/cli/openmetrics_plan.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>
#include <variant>

#include "tools/cli/sample_format.h"
#include "tools/cli/selector.h"

namespace doagent::cli {
namespace {

constexpr std::string_view kInstance = "instance";

// The series' labels with the instance; a label of that name that it has already gives way, as in
// a Prometheus scrape without honor_labels.
std::vector<spool::Label> WithInstance(std::vector<spool::Label> labels,
                                       const std::string& instance) {
  for (spool::Label& label : labels) {
    if (label.name == kInstance) label.name = "exported_instance";
  }
  labels.push_back({std::string(kInstance), instance});
  return labels;
}

}  // namespace

OpenMetricsPlan::Origin& OpenMetricsPlan::OriginOf(const SpoolId& spool_id) {
  const auto [entry, is_new] = origins_.try_emplace(spool_id);
  if (is_new) {
    entry->second.number = static_cast<std::uint32_t>(origins_.size());
    entry->second.instance = options_.instance(spool_id);
  }
  return entry->second;
}

std::uint32_t OpenMetricsPlan::Discover(const spool::Schema& schema, std::size_t series,
                                        const Origin& origin) {
  if (!AnyMatches(options_.selectors, schema, series)) return kNone;
  const spool::Family& family = schema.family_of(series);
  const std::vector<spool::Label> labels =
      WithInstance(schema.series()[series].labels, origin.instance);
  Series found;
  AppendMetricName(family.name, found.text);
  found.text += '{';
  AppendLabels(labels, found.text);
  found.text += '}';
  if (const auto known = numbers_.find(found.text); known != numbers_.end()) return known->second;
  if (ordered_) return kNone;  // came after the first pass
  const MetricIdentity identity = IdentityOf(family);
  found.family = &families_.Declare(family);
  found.group = GroupLabels(identity, labels);
  found.part = identity.part;
  const auto number = static_cast<std::uint32_t>(series_.size());
  numbers_.emplace(found.text, number);
  series_.push_back(std::move(found));
  return number;
}

const std::vector<std::uint32_t>& OpenMetricsPlan::IdsOf(const spool::SchemaPtr& schema,
                                                         const Origin& origin) {
  const auto key = std::make_pair(schema.get(), origin.number);
  if (const auto known = ids_.find(key); known != ids_.end()) return known->second.ids;
  if (ids_count_ > kIdsMax) {
    ids_.clear();
    ids_count_ = 0;
  }
  SchemaIds& entry = ids_[key];
  entry.schema = schema;
  entry.ids.reserve(schema->size());
  for (std::size_t i = 0; i < schema->size(); ++i) {
    entry.ids.push_back(Discover(*schema, i, origin));
  }
  ids_count_ += entry.ids.size();
  return entry.ids;
}

void OpenMetricsPlan::Count(const spool::Record& record) {
  const auto* snapshot = std::get_if<spool::Snapshot>(&record.content);
  if (snapshot == nullptr) return;
  Origin& origin = OriginOf(record.spool_id);
  origin.head = std::max(origin.head, record.sequence);
  for (const spool::Section& section : snapshot->sections) {
    const std::vector<std::uint32_t>& ids = IdsOf(section.schema, origin);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (section.present[i] != 0 && ids[i] != kNone) ++series_[ids[i]].samples;
    }
  }
}

void OpenMetricsPlan::Order() {
  std::vector<std::uint32_t> order(series_.size());
  std::iota(order.begin(), order.end(), std::uint32_t{0});
  // Stable: the buckets of a histogram keep the order in which they were found, which is theirs.
  std::stable_sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
    const Series& x = series_[a];
    const Series& y = series_[b];
    return std::tie(*x.family, x.group, x.part) < std::tie(*y.family, y.group, y.part);
  });
  std::vector<Series> ordered;
  ordered.reserve(series_.size());
  places_.resize(series_.size());
  for (const std::uint32_t number : order) {
    places_[number] = static_cast<std::uint32_t>(ordered.size());
    ordered.push_back(std::move(series_[number]));
  }
  series_ = std::move(ordered);
  for (std::size_t i = 0; i < series_.size(); ++i) {
    const bool joins = i > 0 && series_[i].family == series_[i - 1].family &&
                       series_[i].group == series_[i - 1].group;
    if (!joins) metrics_.push_back({i, i, 0});
    metrics_.back().end = i + 1;
    metrics_.back().samples += series_[i].samples;
  }
  ordered_ = true;
}

}  // namespace doagent::cli
