// /proc/loadavg: load averages over 1, 5 and 15 minutes. proc_loadavg(5);
// Documentation/filesystems/proc.rst, "loadavg".
//
//   0.21 0.37 0.39 1/719 19737
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "spool/result.h"

namespace doagent::collector {

struct Loadavg {
  // Over 1, 5 and 15 minutes, in hundredths: the kernel writes exactly two decimals.
  std::array<std::uint64_t, 3> hundredths{};
};

Result<Loadavg> ParseLoadavg(std::string_view text);

}  // namespace doagent::collector
