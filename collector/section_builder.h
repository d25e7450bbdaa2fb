// Turns the samples of one collector into a section of a snapshot: values that stand in the order
// of a schema which changes as rarely as possible.
//
// - While the samples of a tick are of the same series in the same order as those of the tick
//   before, adding one costs a comparison of its label values; nothing is allocated. Only where
//   the order differs is a series looked up.
// - A series that comes extends the schema at its end: a new Schema object.
// - A series that goes is marked absent. When more than 64 series and more than half of them have
//   been absent for 60 ticks in a row, the schema is rebuilt without them.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "collector/family_spec.h"
#include "spool/model.h"

namespace doagent::collector {

class SectionBuilder {
 public:
  using FamilyId = std::uint32_t;

  // Of the label values of all series together, so that a schema stays within what a spool takes.
  static constexpr std::size_t kValueBytesMax = std::size_t{8} << 20;
  static constexpr std::size_t kAbsentSeriesMin = 64;
  static constexpr std::uint16_t kAbsentTicks = 60;

  explicit SectionBuilder(std::string collector) : collector_(std::move(collector)) {}

  // Makes a family known; of two with the same name the first counts. It enters the schema with
  // its first series.
  FamilyId Declare(const FamilySpec& spec);

  // Starts a tick: whatever the section held is forgotten, its storage is reused.
  void Begin(spool::Section& section);

  // A sample of the series with these values for the family's labels, in the order of their names.
  // REQUIRES one value for each label; Begin was called. Of two samples of one series the later
  // one counts.
  void Add(FamilyId family, std::uint64_t bits) { Add(family, {}, bits); }
  void Add(FamilyId family, std::initializer_list<std::string_view> values, std::uint64_t bits);

  // Forgets the samples added since Begin: the collector failed half-way.
  void Discard();

  // True when samples were refused since Begin because of spool::kSeriesMax, kValueBytesMax, or
  // a label value longer than spool::kLabelBytesMax.
  bool overflowed() const { return overflowed_; }

  // Ends the tick: the section is complete. False: the schema has no series yet, so that there is
  // no section.
  bool Finish();

 private:
  struct DeclaredFamily {
    spool::Family family;
    std::vector<std::string> labels;
    std::int64_t in_schema = -1;  // index among the schema's families; -1: has no series yet
  };
  // Its label values stand one behind the other in values_, in the order of the series: after a
  // second of idling nothing is in the CPU's caches, and scattered memory would cost the most.
  struct KnownSeries {
    FamilyId family = 0;
    std::uint32_t values_begin = 0;
    std::uint32_t values_size = 0;
    std::uint16_t absent_ticks = 0;
  };

  bool IsSeries(std::uint32_t index, FamilyId family,
                std::initializer_list<std::string_view> values) const;
  // The series' label values, each behind its size.
  std::string_view ValuesOf(const KnownSeries& known) const;
  // The series' index; kNone when there are too many.
  std::uint32_t Locate(FamilyId family, std::initializer_list<std::string_view> values);
  std::uint32_t Append(FamilyId family, std::initializer_list<std::string_view> values,
                       std::size_t hash);
  std::vector<spool::Label> LabelsOf(const KnownSeries& known) const;
  void CountAbsent();
  void Rebuild();
  void MakeSchema();

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  const std::string collector_;
  std::vector<DeclaredFamily> declared_;
  std::unordered_map<std::string, FamilyId> declared_by_name_;

  std::vector<KnownSeries> series_;                             // in the schema's order
  std::string values_;                                          // their label values
  std::unordered_multimap<std::size_t, std::uint32_t> lookup_;  // hash -> index in series_
  spool::SchemaPtr schema_;                                     // null: outdated
  bool some_were_absent_ = false;

  // The indexes in the order in which the last tick added them, and how far this tick agrees.
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> new_order_;  // of this tick, once it differs
  std::size_t position_ = 0;
  bool differs_ = false;

  spool::Section* section_ = nullptr;
  std::size_t present_ = 0;
  bool overflowed_ = false;
};

}  // namespace doagent::collector
