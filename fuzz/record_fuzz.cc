// A record's payload as it comes from a network or a damaged disk: the first byte says how to read
// it, the rest is the payload. Decoding ends in a value or an error, within the limits.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spool/check.h"
#include "spool/object_codec.h"
#include "spool/record_codec.h"

using namespace doagent;
using namespace doagent::spool;

namespace {

// Two keys with series of every kind, some absent.
KeySet MakeKeySet() {
  const std::vector<Family> families = {
      {"a", "", MetricType::kGauge, {ValueKind::kSigned, 1024, 1}, ""},
      {"b", "", MetricType::kCounter, {ValueKind::kUnsigned, 1, 100}, ""},
      {"c", "", MetricType::kGauge, {ValueKind::kDouble, 1, 1}, ""},
      {"d", "", MetricType::kGauge, {ValueKind::kConstant, 1, 1}, ""}};
  KeySet key_set{1, *BootId::FromBytes("0123456789abcdef"), 1, {}, 0};
  for (int k = 0; k < 2; ++k) {
    std::vector<Series> series;
    for (std::uint32_t i = 0; i < 12; ++i) series.push_back({i % 4, {{"n", std::to_string(i)}}});
    auto schema = std::make_shared<const Schema>("k" + std::to_string(k), families, series);
    KeyValues key{schema, std::vector<std::uint64_t>(12, 7), std::vector<std::uint8_t>(12, 1)};
    key.present[3] = 0;
    key_set.series += schema->size();
    key_set.keys.push_back(std::move(key));
  }
  return key_set;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const KeySet kKeySet = MakeKeySet();
  if (size == 0) return 0;
  StoredRecord record;
  record.sequence = 1;
  record.kind = (data[0] & 1) == 0 ? RecordKind::kRow : RecordKind::kEvent;
  record.encoding = (data[0] & 2) == 0 ? Encoding::kPlain : Encoding::kZstd;
  record.payload.assign(reinterpret_cast<const char*>(data + 1), size - 1);
  if (record.kind == RecordKind::kEvent) {
    (void)DecodeEvent(record);
    return 0;
  }
  const auto snapshot = DecodeRow(record, kKeySet);
  if (!snapshot) return 0;
  DOAGENT_CHECK(snapshot->sections.size() == kKeySet.keys.size());
  for (const auto& section : snapshot->sections) {
    DOAGENT_CHECK(section.values.size() == section.schema->size());
    DOAGENT_CHECK(section.present.size() == section.schema->size());
    for (std::size_t i = 0; i < section.values.size(); ++i) {
      (void)ToDouble(section.schema->family_of(i).representation, section.values[i]);
    }
  }
  return 0;
}
