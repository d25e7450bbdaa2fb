// Cutting a kernel text file into lines, fields and integers: what every parser here is made of.
//
// Nothing here allocates, except for the error messages. All views point into the caller's text.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "spool/result.h"

namespace doagent::collector {

// Cuts the next line, without its newline, off the front of `rest`. False at the end of the text.
// The last line may lack its newline.
inline bool NextLine(std::string_view& rest, std::string_view& line) {
  if (rest.empty()) return false;
  const auto end = rest.find('\n');
  line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return true;
}

inline bool IsBlank(char c) {
  return c == ' ' || c == '\t';
}

// Cuts the next field off the front of `rest`; fields are separated by runs of blanks. False when
// there is none left.
inline bool NextField(std::string_view& rest, std::string_view& field) {
  std::size_t begin = 0;
  while (begin < rest.size() && IsBlank(rest[begin])) ++begin;
  std::size_t end = begin;
  while (end < rest.size() && !IsBlank(rest[end])) ++end;
  field = rest.substr(begin, end - begin);
  rest.remove_prefix(end);
  return !field.empty();
}

// False unless the whole text is decimal digits of a number that fits: never wraps, never guesses.
template <typename Unsigned>
bool ParseUnsigned(std::string_view text, Unsigned& value) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

// The next field as a number. False when there is none, or when it is not one.
template <typename Unsigned>
bool NextUnsigned(std::string_view& rest, Unsigned& value) {
  std::string_view field;
  return NextField(rest, field) && ParseUnsigned(field, value);
}

// Letters, digits and underscores, at least one: what a metric's name can be continued with.
inline bool IsIdentifier(std::string_view text) {
  for (const char c : text) {
    const bool good =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!good) return false;
  }
  return !text.empty();
}

// The text in quotes for an error message: at most 80 bytes of it, whatever is not printable
// ASCII as \xNN.
std::string Quote(std::string_view text);

// The error of a text that the kernel would not write. The reader of the file adds where it stood.
tl::unexpected<Error> Malformed(std::string_view what, std::string_view line);

}  // namespace doagent::collector
