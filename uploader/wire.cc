#include "uploader/wire.h"

#include <google/protobuf/io/coded_stream.h>

#include <optional>

#include "spool/stored.h"
#include "uploader/wire_internal.h"

namespace doagent::uploader {

namespace {

using google::protobuf::io::CodedInputStream;

// A field's key is its number above three bits of wire type (protobuf's encoding).
constexpr std::uint32_t kWireTypeBits = 3;
constexpr std::uint32_t kVarint = 0;
constexpr std::uint32_t kFixed64 = 1;
constexpr std::uint32_t kBytes = 2;
constexpr std::uint32_t kFixed32 = 5;

class FieldCounter {
 public:
  FieldCounter(std::string_view bytes, Nesting nesting)
      : input_(reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<int>(bytes.size())),
        nesting_(nesting) {}

  // Counts a message's fields up to the end of the input or of the limit that is set. false: this
  // is not protobuf.
  bool Count(int depth, std::uint32_t parent) {
    while (const std::uint32_t tag = input_.ReadTag()) {
      ++fields_;
      const std::uint32_t number = tag >> kWireTypeBits;
      const bool nested = depth == 0 || (depth == 1 && parent == nesting_.body &&
                                         number == nesting_.field && nesting_.field != 0);
      if (nested && (tag & 7U) == kBytes ? !Descend(depth + 1, number) : !Skip(tag & 7U)) {
        return false;
      }
    }
    return input_.ConsumedEntireMessage();
  }

  std::size_t fields() const { return fields_; }

 private:
  bool Descend(int depth, std::uint32_t number) {
    std::uint32_t size = 0;
    if (!input_.ReadVarint32(&size) || size > kClientMessageBytesMax) return false;
    const auto limit = input_.PushLimit(static_cast<int>(size));
    if (!Count(depth, number)) return false;
    // A length beyond the end of what encloses it shows as bytes that are missing.
    const bool complete = input_.BytesUntilLimit() == 0;
    input_.PopLimit(limit);
    return complete;
  }

  bool Skip(std::uint32_t wire_type) {
    std::uint32_t size = 0;
    std::uint64_t value = 0;
    switch (wire_type) {
      case kVarint: return input_.ReadVarint64(&value);
      case kFixed64: return input_.Skip(8);
      case kBytes:
        return input_.ReadVarint32(&size) && size <= kClientMessageBytesMax &&
               input_.Skip(static_cast<int>(size));
      case kFixed32: return input_.Skip(4);
      default: return false;  // groups: this protocol has none
    }
  }

  CodedInputStream input_;
  Nesting nesting_;
  std::size_t fields_ = 0;
};

// The length of the UTF-8 character that the text begins with; nothing: it is not one.
std::optional<std::size_t> CharacterBytes(std::string_view text) {
  const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  // Overlong forms, surrogates and what lies beyond U+10FFFF show in the second byte.
  std::size_t size = 0;
  unsigned second_min = 0x80;
  unsigned second_max = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    size = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    size = 3;
    if (lead == 0xE0) second_min = 0xA0;
    if (lead == 0xED) second_max = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    size = 4;
    if (lead == 0xF0) second_min = 0x90;
    if (lead == 0xF4) second_max = 0x8F;
  } else {
    return std::nullopt;
  }
  if (text.size() < size || byte(1) < second_min || byte(1) > second_max) return std::nullopt;
  for (std::size_t i = 2; i < size; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return std::nullopt;
  }
  return size;
}

// C0 and C1 controls and DEL: some of them drive terminals.
bool IsControl(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return lead < 0x20 || lead == 0x7F;
  return lead == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

}  // namespace

std::string CleanText(std::string_view text, std::size_t bytes_max) {
  std::string clean;
  while (!text.empty()) {
    const auto size = CharacterBytes(text);
    const std::string_view character = text.substr(0, size.value_or(1));
    const bool good = size.has_value() && !IsControl(character);
    if (clean.size() + (good ? character.size() : 1) > bytes_max) break;
    clean += good ? character : std::string_view("?");
    text.remove_prefix(character.size());
  }
  return clean;
}

Result<void> CheckFieldCount(std::string_view bytes, Nesting nesting, std::size_t fields_max) {
  FieldCounter counter(bytes, nesting);
  if (!counter.Count(0, 0)) return Malformed("not a protobuf message");
  if (counter.fields() > fields_max) {
    return Malformed("has " + std::to_string(counter.fields()) + " fields; the limit is " +
                     std::to_string(fields_max));
  }
  return {};
}

Result<spool::RangeSet> DecodeRanges(
    const google::protobuf::RepeatedPtrField<v1::SequenceRange>& ranges) {
  spool::RangeSet set;
  Sequence last = 0;
  for (const v1::SequenceRange& range : ranges) {
    if (range.first() <= last || range.last() < range.first() ||
        range.last() > spool::kSequenceMax) {
      return Malformed("range " + std::to_string(range.first()) + "-" +
                       std::to_string(range.last()) + " after sequence " + std::to_string(last) +
                       ": ranges must ascend within 1-" + std::to_string(spool::kSequenceMax));
    }
    set.Add({range.first(), range.last()});
    last = range.last();
  }
  return set;
}

}  // namespace doagent::uploader
