// A sysfs attribute that is one number, such as /sys/class/net/DEVICE/statistics/rx_nohandler
// (Documentation/ABI/testing/sysfs-class-net-statistics).
//
//   42
#pragma once

#include <cstdint>
#include <string_view>

#include "spool/result.h"

namespace doagent::collector {

Result<std::uint64_t> ParseSysfsNumber(std::string_view text);

}  // namespace doagent::collector
