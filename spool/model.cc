#include "spool/model.h"

#include <bit>
#include <cmath>
#include <limits>

#include "spool/check.h"

namespace doagent::spool {
namespace {

__extension__ using Uint128 = unsigned __int128;

int LeadingZeros(Uint128 value) {
  const auto high = static_cast<std::uint64_t>(value >> 64);
  return high != 0 ? std::countl_zero(high)
                   : 64 + std::countl_zero(static_cast<std::uint64_t>(value));
}

// numerator / denominator, correctly rounded.
double Divide(Uint128 numerator, std::uint64_t denominator) {
  constexpr Uint128 kExact = Uint128{1} << std::numeric_limits<double>::digits;
  // Both exact as doubles: the hardware's one rounding is the right one.
  if (numerator < kExact && denominator < kExact) {
    return static_cast<double>(static_cast<std::uint64_t>(numerator)) /
           static_cast<double>(denominator);
  }
  // Otherwise take a quotient with more bits than a double has, and let its lowest bit say whether
  // anything was cut off; the conversion then rounds as if it saw all of it.
  if (numerator == 0) return 0;
  const int shift = LeadingZeros(numerator);
  numerator <<= shift;
  Uint128 quotient = numerator / denominator;
  if (quotient * denominator != numerator) quotient |= 1;
  return std::ldexp(static_cast<double>(quotient), -shift);
}

}  // namespace

double ToDouble(const Representation& representation, std::uint64_t bits) {
  switch (representation.kind) {
    case ValueKind::kDouble: return std::bit_cast<double>(bits);
    case ValueKind::kConstant: return 1.0;
    case ValueKind::kUnsigned:
      return Divide(Uint128{bits} * representation.mul, representation.div);
    case ValueKind::kSigned: {
      const bool negative = static_cast<std::int64_t>(bits) < 0;
      const std::uint64_t magnitude = negative ? ~bits + 1 : bits;
      const double value = Divide(Uint128{magnitude} * representation.mul, representation.div);
      return negative ? -value : value;
    }
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::uint64_t BitsOf(double value) {
  return std::bit_cast<std::uint64_t>(value);
}

Schema::Schema(std::string collector, std::vector<Family> families, std::vector<Series> series)
    : collector_(std::move(collector)), families_(std::move(families)), series_(std::move(series)) {
  for (const auto& one : series_) DOAGENT_CHECK(one.family < families_.size());
}

bool SameContent(const Snapshot& a, const Snapshot& b) {
  return a.wall == b.wall && a.mono == b.mono && a.boot_id == b.boot_id &&
         std::equal(a.sections.begin(), a.sections.end(), b.sections.begin(), b.sections.end(),
                    [](const Section& left, const Section& right) {
                      const bool same_schema =
                          left.schema == right.schema || *left.schema == *right.schema;
                      return same_schema && left.present == right.present &&
                             left.values == right.values;
                    });
}

bool MeansLoss(EventKind kind) {
  return kind == EventKind::kGap || kind == EventKind::kEviction || kind == EventKind::kThinning ||
         kind == EventKind::kRejection || kind == EventKind::kSalvageLoss;
}

std::string_view Name(EventKind kind) {
  switch (kind) {
    case EventKind::kStart: return "start";
    case EventKind::kStop: return "stop";
    case EventKind::kGap: return "gap";
    case EventKind::kClockStep: return "clock_step";
    case EventKind::kEviction: return "eviction";
    case EventKind::kThinning: return "thinning";
    case EventKind::kPark: return "park";
    case EventKind::kRejection: return "rejection";
    case EventKind::kSalvageLoss: return "salvage_loss";
    case EventKind::kIdentityChange: return "identity_change";
    case EventKind::kConfigurationChange: return "configuration_change";
  }
  return "unknown";
}

std::string_view Name(MetricType type) {
  switch (type) {
    case MetricType::kUntyped: return "untyped";
    case MetricType::kCounter: return "counter";
    case MetricType::kGauge: return "gauge";
    case MetricType::kHistogram: return "histogram";
    case MetricType::kSummary: return "summary";
  }
  return "untyped";
}

}  // namespace doagent::spool
