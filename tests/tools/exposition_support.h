// Snapshots built by hand for the tests of what prints them, and promtool as the judge.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spool/model.h"
#include "spool/reader.h"

namespace doagent::test {

// Collects families and series into one section; values are given as doubles or as raw bits.
class SectionBuilder {
 public:
  SectionBuilder& Family(std::string name, spool::MetricType type, std::string help = "",
                         spool::Representation representation = {spool::ValueKind::kDouble, 1, 1},
                         std::string unit = "") {
    families_.push_back({std::move(name), std::move(help), type, representation, std::move(unit)});
    return *this;
  }
  // A series of the family that was added last.
  SectionBuilder& Bits(std::vector<spool::Label> labels, std::uint64_t bits) {
    series_.push_back({static_cast<std::uint32_t>(families_.size() - 1), std::move(labels)});
    values_.push_back(bits);
    present_.push_back(1);
    return *this;
  }
  SectionBuilder& Double(std::vector<spool::Label> labels, double value) {
    return Bits(std::move(labels), spool::BitsOf(value));
  }
  SectionBuilder& Absent(std::vector<spool::Label> labels) {
    Bits(std::move(labels), 0);
    present_.back() = 0;
    return *this;
  }
  spool::Section Build() const {
    return {std::make_shared<const spool::Schema>("test", families_, series_), values_, present_};
  }

 private:
  std::vector<spool::Family> families_;
  std::vector<spool::Series> series_;
  std::vector<std::uint64_t> values_;
  std::vector<std::uint8_t> present_;
};

inline spool::Snapshot SnapshotOf(std::vector<spool::Section> sections,
                                  std::int64_t time_unix_ns = 1'700'000'000'123'456'789) {
  spool::Snapshot snapshot;
  snapshot.wall = FromUnixNanoseconds(time_unix_ns);
  snapshot.sections = std::move(sections);
  return snapshot;
}

inline SpoolId SpoolIdOf(char fill) {
  return *SpoolId::FromBytes(std::string(SpoolId::kBytes, fill));
}

inline spool::Record RecordOf(spool::Snapshot snapshot, Sequence sequence = 1,
                              char origin = '\x1f') {
  spool::Record record;
  record.spool_id = SpoolIdOf(origin);
  record.sequence = sequence;
  record.time = snapshot.wall;
  record.state = spool::DeliveryState::kPending;
  record.content = std::move(snapshot);
  return record;
}

}  // namespace doagent::test
