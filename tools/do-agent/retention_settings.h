// What the agent keeps and for how long, from the settings; and whether that can be had.
#pragma once

#include <cstdint>
#include <optional>

#include "collector/collector.h"
#include "spool/ids.h"
#include "spool/result.h"
#include "spool/spool.h"
#include "spool/time.h"
#include "tools/cli/setting.h"

namespace doagent::agent {

// With an endpoint, what was delivered goes; without one (a local spool), everything with its age.
// Errors name the settings that contradict each other.
Result<spool::RetentionPolicy> ToRetention(const cli::Values& values, bool local);

// How many series a collection has, for the estimates below.
std::uint64_t CountSeries(collector::Collector& collector, const BootId& boot_id);

// About what so many series take while they are young enough for the floor, in bytes.
std::uint64_t EstimatedFloorBytes(const spool::RetentionPolicy& policy, Nanoseconds interval,
                                  std::uint64_t series);

// kRefuse: what has to stay by retain_floor does not fit into spool_bytes_max; with the arithmetic.
Result<void> CheckFloorFits(const spool::RetentionPolicy& policy, Nanoseconds interval,
                            std::uint64_t series);

}  // namespace doagent::agent
