// An object's content as it comes from a network or a damaged disk: the first byte chooses the
// kind, the rest is the content. A schema that decodes is encoded again and must be the same
// schema.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/sample_layout.h"
#include "spool/check.h"
#include "spool/codec.h"
#include "spool/object_codec.h"

using namespace doagent;
using namespace doagent::spool;

namespace {

void TrySchema(const std::string& content) {
  const auto schema = DecodeSchema(content);
  if (!schema) return;
  DOAGENT_CHECK((*schema)->size() <= kSeriesMax);
  const StoredObject encoded = EncodeSchema(**schema);
  const auto opened = OpenObject(encoded);
  if (!opened) return;  // larger than is allowed once it is written our way
  const auto again = DecodeSchema(*opened);
  DOAGENT_CHECK(again && **again == **schema);
}

void TryKey(const std::string& content) {
  (void)LayoutOfKey(content);
  static const LayoutPtr kLayout = fuzz::MakeLayout(3);
  const auto key = DecodeKey(content, kLayout);
  if (!key) return;
  DOAGENT_CHECK(key->values.size() == kLayout->series && key->present.size() == kLayout->series);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string content(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 4) {
    case 0: TrySchema(content); break;
    case 1: TryKey(content); break;
    case 2: (void)DecodeLayout(content); break;
    case 3: {
      const auto unpacked = Unpack(Encoding::kZstd, content, kDecodedBytesMax);
      if (unpacked) DOAGENT_CHECK(unpacked->size() <= kDecodedBytesMax);
      break;
    }
  }
  return 0;
}
