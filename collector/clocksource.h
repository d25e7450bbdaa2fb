// /sys/devices/system/clocksource/clocksource*/{available,current}_clocksource: what the kernel
// can keep time with, and what it does. Documentation/ABI/testing/sysfs-devices-clocksource.
//
//   tsc kvm-clock
#pragma once

#include <string_view>
#include <vector>

#include "spool/result.h"

namespace doagent::collector {

// One line of names, separated by blanks. Fills `out`, whose storage is reused, with views into
// the text; after an error its content is unspecified.
Result<void> ParseClocksources(std::string_view text, std::vector<std::string_view>& out);

}  // namespace doagent::collector
