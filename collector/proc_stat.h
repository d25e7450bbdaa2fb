// /proc/stat: CPU times and other counters since boot. proc_stat(5); the kernel's
// Documentation/filesystems/proc.rst, "Miscellaneous kernel statistics in /proc/stat".
//
//   cpu0 1272 0 913 169955 8 0 11 3 0 0
//
// Per CPU the ticks (1/USER_HZ s) in user, nice, system, idle, iowait, irq, softirq, steal, guest,
// guest_nice. Guest times are also part of user and nice. Kernels before 2.6.33 have fewer columns.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "spool/result.h"

namespace doagent::collector {

struct CpuTimes {
  // The columns in the kernel's order.
  enum Column : std::uint8_t {
    kUser,
    kNice,
    kSystem,
    kIdle,
    kIowait,
    kIrq,
    kSoftirq,
    kSteal,
    kGuest,
    kGuestNice,
    kColumns,
  };

  std::uint32_t cpu = 0;
  std::uint32_t columns = 0;                    // how many of ticks the kernel wrote; >= kIdle + 1
  std::array<std::uint64_t, kColumns> ticks{};  // 1/USER_HZ s
};

struct ProcStat {
  std::vector<CpuTimes> cpus;  // online CPUs, ascending; their sum ("cpu") is left out
  std::optional<std::uint64_t> interrupts;
  std::optional<std::uint64_t> context_switches;
  std::optional<std::uint64_t> boot_time;  // Unix seconds
  std::optional<std::uint64_t> forks;
  std::optional<std::uint64_t> procs_running;
  std::optional<std::uint64_t> procs_blocked;
};

// Fills `out`, whose storage is reused; after an error its content is unspecified.
Result<void> ParseProcStat(std::string_view text, ProcStat& out);

}  // namespace doagent::collector
