#include "tools/cli/size.h"

#include <charconv>

namespace doagent::cli {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t bytes;
};

// Binary units first, larger before smaller: FormatSize takes the first that divides.
constexpr Unit kUnits[] = {{"TiB", std::uint64_t{1} << 40},
                           {"GiB", std::uint64_t{1} << 30},
                           {"MiB", std::uint64_t{1} << 20},
                           {"KiB", std::uint64_t{1} << 10},
                           {"", 1},
                           {"B", 1},
                           {"TB", 1'000'000'000'000},
                           {"GB", 1'000'000'000},
                           {"MB", 1'000'000},
                           {"KB", 1'000},
                           {"kB", 1'000}};

tl::unexpected<Error> NotASize(std::string_view text) {
  return Fail(ErrorCode::kRefuse, "",
              "\"" + std::string(text) +
                  "\" is not a size; write for example 64MiB, 1GiB, 500MB or 4096 (bytes)");
}

tl::unexpected<Error> TooLarge(std::string_view text) {
  return Fail(
      ErrorCode::kRefuse, "",
      "\"" + std::string(text) + "\" is too large a size; the largest is below 16777216TiB");
}

}  // namespace

Result<std::uint64_t> ParseSize(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) return TooLarge(text);
  if (error != std::errc()) return NotASize(text);

  const std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : kUnits) {
    if (unit.name != name) continue;
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(number, unit.bytes, &bytes)) return TooLarge(text);
    return bytes;
  }
  return NotASize(text);
}

std::string FormatSize(std::uint64_t bytes) {
  if (bytes == 0) return "0";
  for (const Unit& unit : kUnits) {
    if (bytes % unit.bytes == 0) return std::to_string(bytes / unit.bytes).append(unit.name);
  }
  return std::to_string(bytes);
}

}  // namespace doagent::cli
