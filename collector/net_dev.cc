#include "collector/net_dev.h"

#include <algorithm>

#include "collector/scan.h"

namespace doagent::collector {
namespace {

constexpr std::size_t kNameBytesMax = 63;  // IFNAMSIZ is 16

// What the kernel accepts as a device's name, see dev_valid_name() in net/core/dev.c.
bool IsDeviceName(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

Result<void> CheckHeader(std::string_view& text) {
  std::string_view line;
  NextLine(text, line);
  NextLine(text, line);
  // " face |bytes    packets errs …|bytes    packets errs …"
  if (std::count(line.begin(), line.end(), '|') != 2)
    return Malformed("not the header of /proc/net/dev", line);
  return {};
}

}  // namespace

Result<void> ParseNetDev(std::string_view text, std::vector<NetDev>& out) {
  out.clear();
  DOAGENT_TRY(CheckHeader(text));
  std::string_view line;
  while (NextLine(text, line)) {
    // The last colon: the counters have none, an old alias such as eth0:1 has.
    const auto colon = line.rfind(':');
    if (colon == std::string_view::npos) return Malformed("not a network device", line);
    std::string_view before = line.substr(0, colon);
    std::string_view rest = line.substr(colon + 1);
    NetDev dev;
    std::string_view surplus;
    if (!NextField(before, dev.device) || NextField(before, surplus) || !IsDeviceName(dev.device))
      return Malformed("not the name of a network device", line);
    for (auto& value : dev.values) {
      if (!NextUnsigned(rest, value)) return Malformed("not 16 counters", line);
    }
    out.push_back(dev);
  }
  return {};
}

}  // namespace doagent::collector
