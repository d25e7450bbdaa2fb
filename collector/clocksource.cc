#include "collector/clocksource.h"

#include <algorithm>

#include "collector/scan.h"

namespace doagent::collector {
namespace {

constexpr std::size_t kNamesMax = 64;
constexpr std::size_t kNameBytesMax = 31;  // CS_NAME_LEN is 32 with its terminator

bool IsName(std::string_view name) {
  return name.size() <= kNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

Result<void> ParseClocksources(std::string_view text, std::vector<std::string_view>& out) {
  out.clear();
  std::string_view line;
  NextLine(text, line);
  std::string_view rest = line;
  std::string_view name;
  while (NextField(rest, name)) {
    if (!IsName(name) || out.size() == kNamesMax) return Malformed("not clock sources", line);
    out.push_back(name);
  }
  if (out.empty()) return Malformed("no clock source", line);
  return {};
}

}  // namespace doagent::collector
