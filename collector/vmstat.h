// /proc/vmstat: counters and states of the virtual memory system. proc_vmstat(5); the names are in
// the kernel's mm/vmstat.c.
//
//   pgfault 2496245
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "spool/result.h"

namespace doagent::collector {

struct VmstatField {
  std::string_view name;  // into the text; letters, digits and "_"
  std::uint64_t value = 0;
};

// Fills `out`, whose storage is reused; after an error its content is unspecified.
Result<void> ParseVmstat(std::string_view text, std::vector<VmstatField>& out);

}  // namespace doagent::collector
