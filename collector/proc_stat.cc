#include "collector/proc_stat.h"

#include "collector/scan.h"

namespace doagent::collector {
namespace {

// NR_CPUS is at most 8192 on any architecture today.
constexpr std::uint32_t kCpuMax = 65535;

Result<void> ParseCpu(std::string_view key, std::string_view rest, std::string_view line,
                      ProcStat& out) {
  CpuTimes times;
  if (!ParseUnsigned(key.substr(3), times.cpu) || times.cpu > kCpuMax)
    return Malformed("not a CPU number", line);
  if (!out.cpus.empty() && times.cpu <= out.cpus.back().cpu)
    return Malformed("CPU numbers do not ascend", line);
  std::string_view field;
  while (times.columns < CpuTimes::kColumns && NextField(rest, field)) {
    if (!ParseUnsigned(field, times.ticks[times.columns]))
      return Malformed("not a number of ticks", line);
    ++times.columns;
  }
  if (times.columns <= CpuTimes::kIdle) return Malformed("fewer than four columns", line);
  out.cpus.push_back(times);
  return {};
}

std::optional<std::uint64_t>* Counter(std::string_view key, ProcStat& out) {
  if (key == "intr") return &out.interrupts;  // the total; one column for each interrupt follows
  if (key == "ctxt") return &out.context_switches;
  if (key == "btime") return &out.boot_time;
  if (key == "processes") return &out.forks;
  if (key == "procs_running") return &out.procs_running;
  if (key == "procs_blocked") return &out.procs_blocked;
  return nullptr;
}

}  // namespace

Result<void> ParseProcStat(std::string_view text, ProcStat& out) {
  out.cpus.clear();
  out.interrupts = out.context_switches = out.boot_time = std::nullopt;
  out.forks = out.procs_running = out.procs_blocked = std::nullopt;

  bool known = false;
  std::string_view line;
  while (NextLine(text, line)) {
    std::string_view rest = line;
    std::string_view key;
    if (!NextField(rest, key)) continue;
    if (key.starts_with("cpu")) {
      known = true;
      if (key.size() > 3) DOAGENT_TRY(ParseCpu(key, rest, line, out));
    } else if (auto* const counter = Counter(key, out)) {
      known = true;
      std::uint64_t value = 0;
      if (!NextUnsigned(rest, value)) return Malformed("not a number", line);
      *counter = value;
    }
  }
  if (!known) return Malformed("no line of /proc/stat", line);
  return {};
}

}  // namespace doagent::collector
