// Any bytes in the place of /proc/stat: a result that holds what its header says, or an error.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "collector/proc_stat.h"
#include "spool/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace doagent::collector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ProcStat stat;
  if (!ParseProcStat(text, stat)) return 0;
  for (std::size_t i = 0; i < stat.cpus.size(); ++i) {
    DOAGENT_CHECK(i == 0 || stat.cpus[i - 1].cpu < stat.cpus[i].cpu);
    DOAGENT_CHECK(stat.cpus[i].columns >= 4 && stat.cpus[i].columns <= CpuTimes::kColumns);
  }
  return 0;
}
