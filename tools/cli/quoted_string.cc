#include "tools/cli/quoted_string.h"

#include <cstdint>

namespace doagent::cli {
namespace {

constexpr std::uint32_t kCodePointMax = 0x10ffff;

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 255;
}

Result<std::uint32_t> ReadDigits(Scanner& scanner, int count, int base) {
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i) {
    const std::size_t position = scanner.position();
    const int digit = scanner.AtEnd() ? 255 : DigitValue(scanner.TakeByte());
    if (digit >= base) {
      return scanner.FailAt(position, "expected " + std::to_string(count) + " digits of base " +
                                          std::to_string(base) + " in the escape");
    }
    value = value * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit);
  }
  return value;
}

void AppendCodePoint(std::uint32_t point, std::string& out) {
  const auto add = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) return add(point);
  if (point < 0x800) {
    add(0xc0 | (point >> 6));
  } else if (point < 0x10000) {
    add(0xe0 | (point >> 12));
    add(0x80 | ((point >> 6) & 0x3f));
  } else {
    add(0xf0 | (point >> 18));
    add(0x80 | ((point >> 12) & 0x3f));
    add(0x80 | ((point >> 6) & 0x3f));
  }
  add(0x80 | (point & 0x3f));
}

Result<void> ReadByte(Scanner& scanner, std::size_t start, int count, int base, std::string& out) {
  DOAGENT_ASSIGN(const std::uint32_t value, ReadDigits(scanner, count, base));
  if (value > 0xff) return scanner.FailAt(start, "an octal escape above \\377");
  out += static_cast<char>(value);
  return {};
}

Result<void> ReadCodePoint(Scanner& scanner, std::size_t start, int count, std::string& out) {
  DOAGENT_ASSIGN(const std::uint32_t point, ReadDigits(scanner, count, 16));
  if (point > kCodePointMax || (point >= 0xd800 && point < 0xe000)) {
    return scanner.FailAt(start, "not a Unicode character");
  }
  AppendCodePoint(point, out);
  return {};
}

// REQUIRES the scanner behind the backslash.
Result<void> ReadEscape(Scanner& scanner, char quote, std::string& out) {
  constexpr std::string_view kLetters = "abfnrtv\\";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\";
  const std::size_t start = scanner.position() - 1;
  if (scanner.AtEnd()) return scanner.Expected("an escape after the backslash");
  if (scanner.Take("x")) return ReadByte(scanner, start, 2, 16, out);
  if (scanner.Take("u")) return ReadCodePoint(scanner, start, 4, out);
  if (scanner.Take("U")) return ReadCodePoint(scanner, start, 8, out);
  for (char digit = '0'; digit <= '7'; ++digit) {
    if (scanner.Peek(digit)) return ReadByte(scanner, start, 3, 8, out);
  }
  const char letter = scanner.TakeByte();
  const std::size_t index = kLetters.find(letter);
  if (index != std::string_view::npos) {
    out += kMeanings[index];
  } else if (letter == quote) {
    out += quote;
  } else {
    return scanner.FailAt(start, "unknown escape; write \\\\ for a backslash, or use backquotes");
  }
  return {};
}

}  // namespace

Result<std::string> ReadQuotedString(Scanner& scanner) {
  const std::size_t start = scanner.position();
  if (!scanner.Peek('"') && !scanner.Peek('\'') && !scanner.Peek('`')) {
    return scanner.Expected("a quoted string");
  }
  const char quote = scanner.TakeByte();
  std::string text;
  while (!scanner.AtEnd()) {
    const char c = scanner.TakeByte();
    if (c == quote) return text;
    if (c == '\n' && quote != '`') {
      return scanner.FailAt(scanner.position() - 1, "a line feed in a string; write \\n");
    }
    if (c == '\\' && quote != '`') {
      DOAGENT_TRY(ReadEscape(scanner, quote, text));
    } else {
      text += c;
    }
  }
  return scanner.FailAt(start, "the string that begins here does not end");
}

void AppendQuotedString(std::string_view text, std::string& out) {
  constexpr char kHexDigits[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHexDigits[byte >> 4];
      out += kHexDigits[byte & 0xf];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace doagent::cli
