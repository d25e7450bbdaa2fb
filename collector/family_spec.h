// What a collector says of a metric before there is a sample: node_exporter's name, help, type and
// label names, and how the kernel's integer becomes the value. The tables of these stand as
// constants at the top of each collector.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "spool/model.h"

namespace doagent::collector {

struct FamilySpec {
  static constexpr std::size_t kLabelsMax = 8;

  std::string_view name;
  std::string_view help;
  spool::MetricType type = spool::MetricType::kGauge;
  spool::Representation representation{};
  std::string_view unit{};                            // as OpenMetrics has it, or empty
  std::array<std::string_view, kLabelsMax> labels{};  // their names, ascending; then empty ones

  constexpr std::size_t label_count() const {
    std::size_t count = 0;
    while (count < kLabelsMax && !labels[count].empty()) ++count;
    return count;
  }
};

// The representations that the kernel's files need.
inline constexpr spool::Representation kPlain{.kind = spool::ValueKind::kUnsigned};
inline constexpr spool::Representation kPerThousand{.kind = spool::ValueKind::kUnsigned,
                                                    .div = 1000};
inline constexpr spool::Representation kPerHundred{.kind = spool::ValueKind::kUnsigned, .div = 100};
inline constexpr spool::Representation kTimes1024{.kind = spool::ValueKind::kUnsigned, .mul = 1024};
inline constexpr spool::Representation kTimes512{.kind = spool::ValueKind::kUnsigned, .mul = 512};
inline constexpr spool::Representation kInfo{.kind = spool::ValueKind::kConstant};

// The 64 bits of a sample of an info metric: its representation says 1 whatever they are.
inline constexpr std::uint64_t kInfoBits = 0;

}  // namespace doagent::collector
