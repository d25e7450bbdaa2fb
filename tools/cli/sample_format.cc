#include "tools/cli/sample_format.h"

#include <charconv>
#include <cmath>

#include "spool/check.h"
#include "spool/utf8.h"

namespace doagent::cli {
namespace {

__extension__ using Uint128 = unsigned __int128;

template <typename T>
void AppendNumber(T value, std::string& out) {
  char digits[32];  // the longest: -1.7976931348623157e+308, or 20 digits
  const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), value);
  DOAGENT_CHECK(error == std::errc());
  out.append(digits, end);
}

// magnitude × mul has up to 39 digits: two groups of 19, the upper one without leading zeros.
void AppendProduct(std::uint64_t magnitude, std::uint64_t mul, std::string& out) {
  constexpr std::uint64_t kGroup = 10'000'000'000'000'000'000U;  // 10^19
  const Uint128 product = Uint128{magnitude} * mul;
  if (product < kGroup) return AppendNumber(static_cast<std::uint64_t>(product), out);
  // The upper part may itself need 20 digits: (2^64 - 1)^2 / 10^19 is 3.4e19.
  const Uint128 upper = product / kGroup;
  if (upper >= kGroup) out += static_cast<char>('0' + static_cast<int>(upper / kGroup));
  std::string part;
  AppendNumber(static_cast<std::uint64_t>(upper % kGroup), part);
  if (upper >= kGroup) out.append(19 - part.size(), '0');
  out += part;
  part.clear();
  AppendNumber(static_cast<std::uint64_t>(product % kGroup), part);
  out.append(19 - part.size(), '0');
  out += part;
}

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

void AppendName(std::string_view name, bool colon_allowed, std::string& out) {
  if (name.empty()) out += '_';
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool allowed = IsLetter(c) || (IsDigit(c) && i > 0) || (c == ':' && colon_allowed);
    out += allowed ? c : '_';
  }
}

constexpr char kHexDigits[] = "0123456789abcdef";

void AppendHexByte(unsigned char byte, std::string& out) {
  out += kHexDigits[byte >> 4];
  out += kHexDigits[byte & 0xf];
}

}  // namespace

void AppendDouble(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    AppendNumber(value, out);
  }
}

void AppendUnsigned(std::uint64_t value, std::string& out) {
  AppendNumber(value, out);
}

void AppendValue(const spool::Representation& representation, std::uint64_t bits,
                 std::string& out) {
  if (representation.kind == spool::ValueKind::kConstant) {
    out += '1';
    return;
  }
  if (representation.kind == spool::ValueKind::kDouble || representation.div != 1) {
    return AppendDouble(spool::ToDouble(representation, bits), out);
  }
  const bool negative = representation.kind == spool::ValueKind::kSigned && (bits >> 63) != 0;
  if (negative) out += '-';
  AppendProduct(negative ? ~bits + 1 : bits, representation.mul, out);
}

void AppendJsonValue(const spool::Representation& representation, std::uint64_t bits,
                     std::string& out) {
  const bool quoted = representation.kind == spool::ValueKind::kDouble &&
                      !std::isfinite(spool::ToDouble(representation, bits));
  if (quoted) out += '"';
  AppendValue(representation, bits, out);
  if (quoted) out += '"';
}

void AppendMetricName(std::string_view name, std::string& out) {
  AppendName(name, true, out);
}

void AppendLabelName(std::string_view name, std::string& out) {
  AppendName(name, false, out);
}

void AppendLabelValue(std::string_view value, std::string& out) {
  ForEachCharacter(value, [&out](std::string_view character, bool valid) {
    if (!valid) {
      out += kReplacementCharacter;
    } else if (character == "\\") {
      out += "\\\\";
    } else if (character == "\"") {
      out += "\\\"";
    } else if (character == "\n") {
      out += "\\n";
    } else {
      out += character;
    }
  });
}

void AppendLabels(const std::vector<spool::Label>& labels, std::string& out) {
  bool first = true;
  for (const spool::Label& label : labels) {
    if (!first) out += ',';
    first = false;
    AppendLabelName(label.name, out);
    out += "=\"";
    AppendLabelValue(label.value, out);
    out += '"';
  }
}

void AppendSeries(const spool::Schema& schema, std::size_t series, std::string& out) {
  AppendMetricName(schema.family_of(series).name, out);
  const std::vector<spool::Label>& labels = schema.series()[series].labels;
  if (labels.empty()) return;
  out += '{';
  AppendLabels(labels, out);
  out += '}';
}

void AppendUtf8(std::string_view text, std::string& out) {
  ForEachCharacter(text, [&out](std::string_view character, bool valid) {
    out += valid ? character : kReplacementCharacter;
  });
}

void AppendPrintable(std::string_view text, std::string& out) {
  ForEachCharacter(text, [&out](std::string_view character, bool valid) {
    const auto lead = static_cast<unsigned char>(character[0]);
    // C0, DEL, and C1 (U+0080 to U+009F), which some terminals take as escape sequences.
    const bool control = lead < 0x20 || lead == 0x7f ||
                         (lead == 0xc2 && static_cast<unsigned char>(character.back()) < 0xa0);
    if (!valid) {
      out += kReplacementCharacter;
    } else if (control) {
      out += "\\x";
      AppendHexByte(static_cast<unsigned char>(character.back()), out);
    } else {
      out += character;
    }
  });
}

void AppendJsonString(std::string_view text, std::string& out) {
  out += '"';
  ForEachCharacter(text, [&out](std::string_view character, bool valid) {
    const auto lead = static_cast<unsigned char>(character[0]);
    if (!valid) {
      out += kReplacementCharacter;
    } else if (lead == '"' || lead == '\\') {
      out += '\\';
      out += character;
    } else if (lead < 0x20 || lead == 0x7f) {
      out += "\\u00";
      AppendHexByte(lead, out);
    } else {
      out += character;
    }
  });
  out += '"';
}

}  // namespace doagent::cli
