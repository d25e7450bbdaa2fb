#include "uploader/wire.h"

#include "spool/stored.h"
#include "spool/utf8.h"
#include "uploader/wire_internal.h"

namespace doagent::uploader {

namespace {

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
    const std::size_t size = Utf8CharacterBytes(text);
    const std::string_view character = text.substr(0, size == 0 ? 1 : size);
    const bool good = size != 0 && !IsControl(character);
    if (clean.size() + (good ? character.size() : 1) > bytes_max) break;
    clean += good ? character : std::string_view("?");
    text.remove_prefix(character.size());
  }
  return clean;
}

Result<void> CheckFieldCount(std::string_view bytes, const std::vector<spool::FieldTree>& messages,
                             std::size_t fields_max) {
  const auto fields = spool::CountFields(bytes, messages);
  if (!fields) return Malformed("not a protobuf message");
  if (*fields > fields_max) {
    return Malformed("has " + std::to_string(*fields) + " fields; the limit is " +
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
