#include "collector/loadavg.h"

#include <limits>

#include "collector/scan.h"

namespace doagent::collector {
namespace {

// "12.34" -> 1234.
bool ParseHundredths(std::string_view text, std::uint64_t& value) {
  const auto point = text.find('.');
  if (point == std::string_view::npos || text.size() != point + 3) return false;
  std::uint64_t whole = 0;
  std::uint64_t fraction = 0;
  if (!ParseUnsigned(text.substr(0, point), whole)) return false;
  if (!ParseUnsigned(text.substr(point + 1), fraction)) return false;
  if (whole > (std::numeric_limits<std::uint64_t>::max() - fraction) / 100) return false;
  value = whole * 100 + fraction;
  return true;
}

}  // namespace

Result<Loadavg> ParseLoadavg(std::string_view text) {
  std::string_view line;
  NextLine(text, line);
  Loadavg load;
  std::string_view rest = line;
  for (auto& value : load.hundredths) {
    std::string_view field;
    if (!NextField(rest, field) || !ParseHundredths(field, value))
      return Malformed("not three load averages with two decimals", line);
  }
  return load;
}

}  // namespace doagent::collector
