#include "collector/sysfs_number.h"

#include "collector/scan.h"

namespace doagent::collector {

Result<std::uint64_t> ParseSysfsNumber(std::string_view text) {
  std::string_view line;
  NextLine(text, line);
  std::string_view rest = line;
  std::string_view surplus;
  std::uint64_t value = 0;
  if (!NextUnsigned(rest, value) || NextField(rest, surplus))
    return Malformed("not a number", line);
  return value;
}

}  // namespace doagent::collector
