// /proc/meminfo: memory by use. proc_meminfo(5); Documentation/filesystems/proc.rst, "meminfo".
//
//   Active(anon):       1548 kB
//   HugePages_Total:       0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "spool/result.h"

namespace doagent::collector {

struct MeminfoField {
  std::string_view
      name;  // into the text; letters, digits and "_", perhaps with one "(…)" at its end
  std::uint64_t value = 0;
  bool kibibytes = false;  // the unit is 1024 bytes ("kB"); else it is a plain number
};

// Fills `out`, whose storage is reused; after an error its content is unspecified.
Result<void> ParseMeminfo(std::string_view text, std::vector<MeminfoField>& out);

}  // namespace doagent::collector
