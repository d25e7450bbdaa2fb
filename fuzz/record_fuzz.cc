// A record's payload as it comes from a network or a damaged disk: the first byte says how to read
// it, the rest is the payload. Decoding ends in a value or an error, within the limits.

#include <cstddef>
#include <cstdint>

#include "fuzz/sample_layout.h"
#include "spool/check.h"
#include "spool/object_codec.h"
#include "spool/record_codec.h"

using namespace doagent;
using namespace doagent::spool;

namespace {

Key MakeKey() {
  Key key{1, *BootId::FromBytes("0123456789abcdef"), 1, fuzz::MakeLayout(12), {}, {}, "\x0f"};
  key.values.assign(key.layout->series, 7);
  key.present.assign(key.layout->series, 1);
  key.present[3] = 0;
  return key;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Key kKey = MakeKey();
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
  const auto snapshot = DecodeRow(record, kKey);
  if (!snapshot) return 0;
  DOAGENT_CHECK(snapshot->sections.size() == kKey.layout->schemas.size());
  for (const auto& section : snapshot->sections) {
    DOAGENT_CHECK(section.values.size() == section.schema->size());
    DOAGENT_CHECK(section.present.size() == section.schema->size());
    for (std::size_t i = 0; i < section.values.size(); ++i) {
      (void)ToDouble(section.schema->family_of(i).representation, section.values[i]);
    }
  }
  return 0;
}
