// The data model: series, schema, snapshot, event. docs/spool-format.md has the words.
//
// Collectors hand over the kernel's integers as they are; a representation says how they become a
// value. Nothing here is converted to floating point before a person or another system reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spool/ids.h"
#include "spool/ranges.h"
#include "spool/time.h"

namespace doagent::spool {

// What fits into a snapshot: whoever makes one keeps to it, whoever decodes one checks it.
inline constexpr std::size_t kSeriesMax = 100'000;  // of all sections together
inline constexpr std::size_t kSectionsMax = 256;
inline constexpr std::size_t kLabelBytesMax = 4096;  // a name, a label value, a help text, a reason

// As in the Prometheus exposition format; parts of histograms and summaries are series of their
// own.
enum class MetricType : std::uint8_t { kUntyped, kCounter, kGauge, kHistogram, kSummary };

enum class ValueKind : std::uint8_t {
  kSigned,    // int64, scaled
  kUnsigned,  // uint64, scaled
  kDouble,    // the bits of an IEEE 754 double
  kConstant,  // always 1: an info metric, whose labels are the information
};

// How 64 bits become a value: integer × mul / div, correctly rounded. Always divide by div:
// ms × 0.001 is not ms / 1000. REQUIRES mul, div >= 1; both are 1 for doubles and constants.
struct Representation {
  ValueKind kind = ValueKind::kSigned;
  std::uint64_t mul = 1;
  std::uint64_t div = 1;

  friend bool operator==(const Representation&, const Representation&) = default;
};

// The double that a reader sees, correctly rounded (to nearest, ties to even).
double ToDouble(const Representation& representation, std::uint64_t bits);

std::uint64_t BitsOf(double value);

// What all series of one metric name share.
struct Family {
  std::string name;
  std::string help;
  MetricType type = MetricType::kUntyped;
  Representation representation;
  std::string unit;

  friend bool operator==(const Family&, const Family&) = default;
};

struct Label {
  std::string name;
  std::string value;

  friend auto operator<=>(const Label&, const Label&) = default;
};

struct Series {
  std::uint32_t family = 0;  // index into the schema's families
  std::vector<Label> labels;

  friend bool operator==(const Series&, const Series&) = default;
};

// The ordered series of one collector. Immutable and shared: a snapshot's values stand in this
// order. A series that comes extends the schema (a new one with the series at its end); a series
// that goes is merely absent from snapshots.
class Schema {
 public:
  // REQUIRES every series' family to be an index into families.
  Schema(std::string collector, std::vector<Family> families, std::vector<Series> series);

  const std::string& collector() const { return collector_; }
  const std::vector<Family>& families() const { return families_; }
  const std::vector<Series>& series() const { return series_; }
  std::size_t size() const { return series_.size(); }
  const Family& family_of(std::size_t series) const { return families_[series_[series].family]; }

  friend bool operator==(const Schema&, const Schema&) = default;

 private:
  std::string collector_;
  std::vector<Family> families_;
  std::vector<Series> series_;
};

using SchemaPtr = std::shared_ptr<const Schema>;

// What one collector contributed to a snapshot.
struct Section {
  SchemaPtr schema;
  std::vector<std::uint64_t> values;  // one per series, as its representation says; absent: 0
  std::vector<std::uint8_t> present;  // one per series: 1, or 0 for no sample
};

// Everything collected at one instant.
struct Snapshot {
  WallTime wall;
  MonoTime mono;
  BootId boot_id;
  std::vector<Section> sections;
};

enum class EventKind : std::uint8_t {
  kStart = 1,
  kStop,
  kGap,  // snapshots that should have been taken or stored and were not
  kClockStep,
  kEviction,
  kThinning,
  kPark,
  kRejection,
  kSalvageLoss,
  kIdentityChange,
  kConfigurationChange,
};

// Equal bits throughout: times, schemas, presence and values.
bool SameContent(const Snapshot& a, const Snapshot& b);

// "start", "clock_step", …: as dump shows it.
std::string_view Name(EventKind kind);
std::string_view Name(MetricType type);

// Whether what such an event counts is gone: it was collected, or should have been, and no spool
// will ever have it.
bool MeansLoss(EventKind kind);

// A record that is not a snapshot.
struct Event {
  EventKind kind = EventKind::kStart;
  WallTime wall;
  MonoTime mono;
  BootId boot_id;
  std::string reason;
  SpoolId spool_id;  // whose ranges, where they are not the event's own origin's; else zero
  std::vector<SequenceRange> ranges;
  std::uint64_t count = 0;
};

// What is known of the machine that an origin's records come from. Any field may be empty.
struct Host {
  std::string hostname;
  std::string machine_id;
  std::string droplet_id;
  std::string region;
  std::string agent_version;

  // What tells two machines apart: the droplet id when there is one, else the machine id.
  const std::string& identity() const { return droplet_id.empty() ? machine_id : droplet_id; }

  friend bool operator==(const Host&, const Host&) = default;
};

}  // namespace doagent::spool
