#include "spool/field_count.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>

namespace doagent::spool {
namespace {

using google::protobuf::io::CodedInputStream;

// A field's key is its number above three bits of wire type (protobuf's encoding).
constexpr std::uint32_t kWireTypeBits = 3;
enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

class FieldCounter {
 public:
  explicit FieldCounter(std::string_view bytes)
      : input_(reinterpret_cast<const std::uint8_t*>(bytes.data()),
               static_cast<int>(bytes.size())) {}

  // Counts up to the end of the input or of the limit that is set. false: this is not protobuf.
  bool Count(const std::vector<FieldTree>& messages) {
    while (const std::uint32_t tag = input_.ReadTag()) {
      ++fields_;
      const auto message = std::find_if(
          messages.begin(), messages.end(),
          [tag](const FieldTree& tree) { return tree.number == tag >> kWireTypeBits; });
      const std::uint32_t wire_type = tag & 7U;
      const bool nested = message != messages.end() && wire_type == kBytes;
      if (nested ? !Descend(message->messages) : !Skip(wire_type)) return false;
    }
    return input_.ConsumedEntireMessage();
  }

  std::size_t fields() const { return fields_; }

 private:
  bool Descend(const std::vector<FieldTree>& messages) {
    int size = 0;
    if (!ReadSize(size)) return false;
    const auto limit = input_.PushLimit(size);
    if (!Count(messages)) return false;
    // A length beyond the end of what encloses it shows as bytes that are missing.
    const bool complete = input_.BytesUntilLimit() == 0;
    input_.PopLimit(limit);
    return complete;
  }

  bool Skip(std::uint32_t wire_type) {
    int size = 0;
    std::uint64_t value = 0;
    switch (wire_type) {
      case kVarint: return input_.ReadVarint64(&value);
      case kFixed64: return input_.Skip(8);
      case kBytes: return ReadSize(size) && input_.Skip(size);
      case kFixed32: return input_.Skip(4);
      default: return false;  // groups: these messages have none
    }
  }

  bool ReadSize(int& size) { return input_.ReadVarintSizeAsInt(&size); }

  CodedInputStream input_;
  std::size_t fields_ = 0;
};

}  // namespace

std::optional<std::size_t> CountFields(std::string_view bytes,
                                       const std::vector<FieldTree>& messages) {
  FieldCounter counter(bytes);
  if (!counter.Count(messages)) return std::nullopt;
  return counter.fields();
}

}  // namespace doagent::spool
