// A sealed block as it comes from a network or a damaged disk: the first byte says how to read it,
// the second how many sequences it covers, the rest is the payload. Decoding ends in columns or an
// error, within the limits.

#include <cstddef>
#include <cstdint>
#include <string>

#include "fuzz/sample_layout.h"
#include "spool/block_codec.h"
#include "spool/check.h"

using namespace doagent;
using namespace doagent::spool;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const LayoutPtr kShort = fuzz::MakeLayout(8);
  static const LayoutPtr kLong = fuzz::MakeLayout(12);
  if (size < 2) return 0;
  StoredBlock block;
  block.encoding = (data[0] & 1) == 0 ? Encoding::kPlain : Encoding::kZstd;
  if ((data[0] & 2) != 0) block.holes = "\x02";
  block.range = {1, Sequence{data[1]} + 1};
  block.payload.assign(reinterpret_cast<const char*>(data + 2), size - 2);
  std::vector<LayoutPtr> layouts = {kLong};
  if ((data[0] & 4) != 0) layouts.insert(layouts.begin(), kShort);
  const auto decoded = DecodeBlock(block, layouts);
  if (!decoded) return 0;
  DOAGENT_CHECK(decoded->size() == SequencesOf(block).count());
  for (std::size_t i = 0; i < decoded->size(); ++i) {
    const Snapshot snapshot = decoded->At(i);
    DOAGENT_CHECK(snapshot.sections.size() == kLong->schemas.size());
    for (const auto& section : snapshot.sections) {
      DOAGENT_CHECK(section.values.size() == section.schema->size());
      DOAGENT_CHECK(section.present.size() == section.schema->size());
    }
  }
  return 0;
}
