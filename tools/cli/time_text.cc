#include "tools/cli/time_text.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>

#include "tools/cli/duration.h"

namespace doagent::cli {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

tl::unexpected<Error> NotATime(std::string_view text) {
  return Fail(ErrorCode::kRefuse, "",
              "\"" + std::string(text) +
                  "\" is not a time; write for example 2024-05-06T07:08:09Z, 1714979289 (Unix "
                  "seconds) or -2h (two hours ago)");
}

tl::unexpected<Error> OutOfRange(std::string_view text) {
  return Fail(ErrorCode::kRefuse, "",
              "\"" + std::string(text) + "\" is out of range; times go from 1677 to 2262");
}

Result<WallTime> FromSeconds(std::string_view text, std::int64_t whole, std::int64_t fraction_ns) {
  if (whole < 0 && fraction_ns > 0) {  // towards zero, so that the earliest times do not overflow
    ++whole;
    fraction_ns -= kNsPerSecond;
  }
  std::int64_t ns = 0;
  if (__builtin_mul_overflow(whole, kNsPerSecond, &ns) ||
      __builtin_add_overflow(ns, fraction_ns, &ns)) {
    return OutOfRange(text);
  }
  return FromUnixNanoseconds(ns);
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// Reads a text from left to right; each Take cuts off what it understood, or takes nothing.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  bool AtEnd() const { return rest_.empty(); }

  bool Take(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // Exactly so many digits, as a number from min to max.
  std::optional<int> TakeDigits(std::size_t count, int min, int max) {
    if (rest_.size() < count) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!IsDigit(rest_[i])) return std::nullopt;
      value = value * 10 + (rest_[i] - '0');
    }
    if (value < min || value > max) return std::nullopt;
    rest_.remove_prefix(count);
    return value;
  }

  // `.5` as nanoseconds; 0 when there is no point. Nothing: a point without digits.
  std::optional<std::int64_t> TakeFraction() {
    if (!Take(".")) return 0;
    std::size_t digits = 0;
    std::int64_t ns = 0;
    for (; digits < rest_.size() && IsDigit(rest_[digits]); ++digits) {
      if (digits < 9) ns = ns * 10 + (rest_[digits] - '0');
    }
    if (digits == 0) return std::nullopt;
    rest_.remove_prefix(digits);
    for (; digits < 9; ++digits) ns *= 10;
    return ns;
  }

  // `Z`, `+02:00` or `-02:00`: what the local time is ahead of UTC.
  std::optional<minutes> TakeOffset() {
    if (Take("Zz")) return minutes(0);
    const bool east = Take("+");
    if (!east && !Take("-")) return std::nullopt;
    const auto hour = TakeDigits(2, 0, 23);
    if (!hour || !Take(":")) return std::nullopt;
    const auto minute = TakeDigits(2, 0, 59);
    if (!minute) return std::nullopt;
    const minutes offset = hours(*hour) + minutes(*minute);
    return east ? offset : -offset;
  }

 private:
  std::string_view rest_;
};

std::optional<std::chrono::sys_days> TakeDate(Cursor& cursor) {
  const auto year = cursor.TakeDigits(4, 0, 9999);
  if (!year || !cursor.Take("-")) return std::nullopt;
  const auto month = cursor.TakeDigits(2, 1, 12);
  if (!month || !cursor.Take("-")) return std::nullopt;
  const auto day = cursor.TakeDigits(2, 1, 31);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

std::optional<seconds> TakeTimeOfDay(Cursor& cursor) {
  const auto hour = cursor.TakeDigits(2, 0, 23);
  if (!hour || !cursor.Take(":")) return std::nullopt;
  const auto minute = cursor.TakeDigits(2, 0, 59);
  if (!minute || !cursor.Take(":")) return std::nullopt;
  const auto second = cursor.TakeDigits(2, 0, 60);
  if (!second) return std::nullopt;
  return hours(*hour) + minutes(*minute) + seconds(*second);
}

Result<WallTime> ParseRfc3339(std::string_view text) {
  Cursor cursor(text);
  const auto date = TakeDate(cursor);
  if (!date || !cursor.Take("Tt ")) return NotATime(text);
  const auto time_of_day = TakeTimeOfDay(cursor);
  if (!time_of_day) return NotATime(text);
  const auto fraction_ns = cursor.TakeFraction();
  if (!fraction_ns) return NotATime(text);
  const auto offset = cursor.TakeOffset();
  if (!offset || !cursor.AtEnd()) return NotATime(text);
  const seconds whole = date->time_since_epoch() + *time_of_day - *offset;
  return FromSeconds(text, whole.count(), *fraction_ns);
}

Result<WallTime> ParseUnixSeconds(std::string_view text) {
  std::int64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (error == std::errc::result_out_of_range) return OutOfRange(text);
  Cursor cursor(text.substr(static_cast<std::size_t>(end - text.data())));
  const auto fraction_ns = cursor.TakeFraction();
  if (error != std::errc() || !fraction_ns || !cursor.AtEnd()) return NotATime(text);
  return FromSeconds(text, whole, *fraction_ns);
}

Result<WallTime> ParseAge(std::string_view text, WallTime now) {
  const auto age = ParseDuration(text.substr(1));
  if (!age) return NotATime(text);
  std::int64_t ns = 0;
  if (__builtin_sub_overflow(UnixNanoseconds(now), age->count(), &ns)) return OutOfRange(text);
  return FromUnixNanoseconds(ns);
}

}  // namespace

Result<WallTime> ParseTime(std::string_view text, WallTime now) {
  if (text.empty()) return NotATime(text);
  if (text.front() == '-') return ParseAge(text, now);
  if (text.size() > 4 && text[4] == '-') return ParseRfc3339(text);
  return ParseUnixSeconds(text);
}

std::string FormatTime(WallTime time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::milliseconds>(time) - day);
  std::array<char, 64> text{};
  const int size = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
      static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
      static_cast<int>(clock.subseconds().count()));
  return std::string(text.data(), static_cast<std::size_t>(size));
}

}  // namespace doagent::cli
