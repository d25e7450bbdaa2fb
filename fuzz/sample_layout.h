// A layout for targets that decode what needs one: two schemas with series of every kind.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spool/model.h"
#include "spool/object_codec.h"

namespace doagent::fuzz {

// The first schema has so many series, at least one.
inline spool::LayoutPtr MakeLayout(std::uint32_t first_series) {
  using spool::MetricType;
  using spool::ValueKind;
  const std::vector<spool::Family> families = {
      {"a", "", MetricType::kGauge, {ValueKind::kSigned, 1024, 1}, ""},
      {"b", "", MetricType::kCounter, {ValueKind::kUnsigned, 1, 100}, ""},
      {"c", "", MetricType::kGauge, {ValueKind::kDouble, 1, 1}, ""},
      {"d", "", MetricType::kGauge, {ValueKind::kConstant, 1, 1}, ""}};
  auto layout = std::make_shared<spool::Layout>();
  for (const std::uint32_t size : {first_series, std::uint32_t{12}}) {
    std::vector<spool::Series> series;
    for (std::uint32_t i = 0; i < size; ++i) series.push_back({i % 4, {{"n", std::to_string(i)}}});
    layout->schemas.push_back(std::make_shared<const spool::Schema>(
        "k" + std::to_string(layout->schemas.size()), families, series));
    layout->series += size;
  }
  return layout;
}

}  // namespace doagent::fuzz
