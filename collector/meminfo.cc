#include "collector/meminfo.h"

#include "collector/scan.h"

namespace doagent::collector {
namespace {

constexpr std::size_t kFieldsMax = 1024;   // Linux 6.18 has 55
constexpr std::size_t kNameBytesMax = 64;  // "ShmemPmdMapped" and the like

// "MemFree" or "Active(anon)".
bool IsName(std::string_view name) {
  if (name.size() > kNameBytesMax) return false;
  if (const auto open = name.find('('); open != std::string_view::npos) {
    if (name.back() != ')') return false;
    return IsIdentifier(name.substr(0, open)) &&
           IsIdentifier(name.substr(open + 1, name.size() - open - 2));
  }
  return IsIdentifier(name);
}

}  // namespace

Result<void> ParseMeminfo(std::string_view text, std::vector<MeminfoField>& out) {
  out.clear();
  std::string_view line;
  while (NextLine(text, line)) {
    std::string_view rest = line;
    std::string_view name;
    if (!NextField(rest, name)) continue;  // some kernels of the 3.10 era wrote an empty line
    if (name.back() != ':' || !IsName(name.substr(0, name.size() - 1)))
      return Malformed("not the name of a field", line);
    name.remove_suffix(1);

    MeminfoField field{.name = name};
    if (!NextUnsigned(rest, field.value)) return Malformed("not a number", line);
    std::string_view unit;
    if (NextField(rest, unit)) {
      if (unit != "kB" || NextField(rest, unit)) return Malformed("an unknown unit", line);
      field.kibibytes = true;
    }
    if (out.size() == kFieldsMax) return Malformed("more than 1024 fields", line);
    out.push_back(field);
  }
  if (out.empty()) return Malformed("no field of /proc/meminfo", line);
  return {};
}

}  // namespace doagent::collector
