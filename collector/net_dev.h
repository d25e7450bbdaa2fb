// /proc/net/dev: traffic counters of network devices. proc_pid_net(5); the kernel's
// net/core/net-procfs.c.
//
//   eth0: 109317549 2374 0 0 0 0 0 0 108062 1266 0 0 0 0 0 0
//
// Two header lines come first. Old kernels leave no blank between the colon and the first counter.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "spool/result.h"

namespace doagent::collector {

struct NetDev {
  // The counters in the kernel's order, received and then transmitted.
  enum Column : std::uint8_t {
    kReceiveBytes,
    kReceivePackets,
    kReceiveErrs,
    kReceiveDrop,
    kReceiveFifo,
    kReceiveFrame,
    kReceiveCompressed,
    kReceiveMulticast,
    kTransmitBytes,
    kTransmitPackets,
    kTransmitErrs,
    kTransmitDrop,
    kTransmitFifo,
    kTransmitColls,
    kTransmitCarrier,
    kTransmitCompressed,
    kColumns,
  };

  // Into the text. A name that is safe as a part of a path: never ".", ".." or with a slash.
  std::string_view device;
  std::array<std::uint64_t, kColumns> values{};
};

// Fills `out`, whose storage is reused; after an error its content is unspecified.
Result<void> ParseNetDev(std::string_view text, std::vector<NetDev>& out);

}  // namespace doagent::collector
