// Bytes that should be UTF-8: names that come from the kernel are any bytes, while label values in
// the exposition format and strings in protobuf are UTF-8. Pure functions; thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace doagent {

inline constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";  // U+FFFD

// The length of the well-formed UTF-8 character at the start of the text (Unicode, table 3-7: no
// overlong forms, no surrogates, nothing above U+10FFFF); 0: there is none. REQUIRES !text.empty().
std::size_t Utf8CharacterBytes(std::string_view text);

bool IsUtf8(std::string_view text);

// The text with each run of bytes that belong to no character replaced by one U+FFFD; cut after the
// last character that ends within bytes_max.
std::string ValidUtf8(std::string_view text, std::size_t bytes_max);

// Calls visit(character, true) for each well-formed character, visit(byte, false) for each byte
// that belongs to none.
template <typename Visit>
void ForEachCharacter(std::string_view text, const Visit& visit) {
  while (!text.empty()) {
    const std::size_t bytes = Utf8CharacterBytes(text);
    visit(text.substr(0, bytes == 0 ? 1 : bytes), bytes != 0);
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
}

}  // namespace doagent
