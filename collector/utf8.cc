#include "collector/utf8.h"

#include <cstddef>
#include <cstdint>

namespace doagent::collector {
namespace {

// The length of the valid sequence at the front of the text; 0: there is none. Overlong forms,
// surrogates and code points beyond U+10FFFF are not valid (RFC 3629).
std::size_t SequenceBytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  std::size_t bytes = 0;
  std::uint8_t low = 0x80;  // the range of the second byte
  std::uint8_t high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    bytes = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    bytes = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    bytes = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  }
  if (bytes == 0 || text.size() < bytes || byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return bytes;
}

}  // namespace

std::string ValidUtf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  bool in_invalid_run = false;
  while (!text.empty()) {
    const std::size_t bytes = SequenceBytes(text);
    if (bytes == 0) {
      if (!in_invalid_run) valid += "\xef\xbf\xbd";
      in_invalid_run = true;
      text.remove_prefix(1);
      continue;
    }
    in_invalid_run = false;
    valid += text.substr(0, bytes);
    text.remove_prefix(bytes);
  }
  return valid;
}

}  // namespace doagent::collector
