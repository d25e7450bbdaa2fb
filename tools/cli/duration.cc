#include "tools/cli/duration.h"

#include <charconv>
#include <cstdint>
#include <limits>

#include "spool/check.h"

namespace doagent::cli {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t ns;
};

// Larger before smaller.
constexpr Unit kUnits[] = {{"d", 86'400'000'000'000},
                           {"h", 3'600'000'000'000},
                           {"m", 60'000'000'000},
                           {"s", 1'000'000'000},
                           {"ms", 1'000'000}};

tl::unexpected<Error> NotADuration(std::string_view text) {
  return Fail(ErrorCode::kRefuse, "",
              "\"" + std::string(text) +
                  "\" is not a duration; write for example 500ms, 10s, 5m, 1h30m or 7d");
}

tl::unexpected<Error> TooLong(std::string_view text) {
  return Fail(ErrorCode::kRefuse, "",
              "\"" + std::string(text) + "\" is too long a duration; the longest is about 106000d");
}

// The number at the front of the text, which is cut off.
enum class Number { kNone, kOverflow, kGood };
Number TakeNumber(std::string_view& text, std::int64_t& number) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return Number::kNone;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) return Number::kOverflow;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return Number::kGood;
}

// The index of the unit at the front of the text, which is cut off; -1: none is there.
int TakeUnit(std::string_view& text) {
  const std::size_t length = text.find_first_of("0123456789");
  const std::string_view name = text.substr(0, length);
  for (int i = 0; i < static_cast<int>(std::size(kUnits)); ++i) {
    if (kUnits[i].name == name) {
      text.remove_prefix(name.size());
      return i;
    }
  }
  return -1;
}

}  // namespace

Result<Nanoseconds> ParseDuration(std::string_view text) {
  if (text == "0") return Nanoseconds(0);
  if (text.empty()) return NotADuration(text);

  std::string_view rest = text;
  std::int64_t total = 0;
  int last_unit = -1;
  while (!rest.empty()) {
    std::int64_t number = 0;
    const Number taken = TakeNumber(rest, number);
    if (taken == Number::kOverflow) return TooLong(text);
    if (taken == Number::kNone) return NotADuration(text);
    const int unit = TakeUnit(rest);
    if (unit <= last_unit) return NotADuration(text);
    last_unit = unit;

    std::int64_t part = 0;
    if (__builtin_mul_overflow(number, kUnits[unit].ns, &part) ||
        __builtin_add_overflow(total, part, &total)) {
      return TooLong(text);
    }
  }
  return Nanoseconds(total);
}

std::string FormatDuration(Nanoseconds duration) {
  DOAGENT_CHECK(duration >= Nanoseconds(0));
  std::int64_t rest = duration.count();
  std::string text;
  for (const Unit& unit : kUnits) {
    const std::int64_t count = rest / unit.ns;
    rest %= unit.ns;
    if (count == 0) continue;
    text += std::to_string(count);
    text += unit.name;
  }
  return text.empty() ? "0s" : text;
}

}  // namespace doagent::cli
