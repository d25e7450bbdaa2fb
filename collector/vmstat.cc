#include "collector/vmstat.h"

#include "collector/scan.h"

namespace doagent::collector {
namespace {

constexpr std::size_t kFieldsMax = 4096;  // Linux 6.18 has 192
constexpr std::size_t kNameBytesMax = 128;

}  // namespace

Result<void> ParseVmstat(std::string_view text, std::vector<VmstatField>& out) {
  out.clear();
  std::string_view line;
  while (NextLine(text, line)) {
    std::string_view rest = line;
    VmstatField field;
    if (!NextField(rest, field.name) || field.name.size() > kNameBytesMax ||
        !IsIdentifier(field.name))
      return Malformed("not the name of a field", line);
    if (!NextUnsigned(rest, field.value)) return Malformed("not a number", line);
    if (out.size() == kFieldsMax) return Malformed("more than 4096 fields", line);
    out.push_back(field);
  }
  if (out.empty()) return Malformed("no field of /proc/vmstat", line);
  return {};
}

}  // namespace doagent::collector
