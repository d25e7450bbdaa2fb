// /proc/diskstats: I/O counters of block devices since boot. The kernel's
// Documentation/admin-guide/iostats.rst and Documentation/ABI/testing/procfs-diskstats.
//
//   254 0 vda 68570 9490 4271218 11344 17856 7734 2132776 5453 0 7020 17150 5311 30 504896 287 1925
//   65
//
// Linux 4.18 and later added four columns for discards, 5.5 two for flushes. Before 2.6.25
// partitions had lines of four counters, which say too little to be shown.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "spool/result.h"

namespace doagent::collector {

struct DiskStats {
  // The counters in the kernel's order. Sectors are of 512 bytes on every device; times are ms.
  enum Column : std::uint8_t {
    kReads,
    kReadsMerged,
    kSectorsRead,
    kReadMs,
    kWrites,
    kWritesMerged,
    kSectorsWritten,
    kWriteMs,
    kInFlight,
    kIoMs,
    kWeightedIoMs,
    kDiscards,
    kDiscardsMerged,
    kSectorsDiscarded,
    kDiscardMs,
    kFlushes,
    kFlushMs,
    kColumns,
  };

  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::string_view device;    // into the text
  std::uint32_t columns = 0;  // how many of values the kernel wrote: 11, 15 or 17
  std::array<std::uint64_t, kColumns> values{};
};

// Fills `out`, whose storage is reused; after an error its content is unspecified. An empty text
// is a machine without block devices.
Result<void> ParseDiskstats(std::string_view text, std::vector<DiskStats>& out);

}  // namespace doagent::collector
