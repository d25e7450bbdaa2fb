// Any bytes in the place of /proc/diskstats: a result that holds what its header says, or an error.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "collector/diskstats.h"
#include "spool/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace doagent::collector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<DiskStats> disks;
  if (!ParseDiskstats(text, disks)) return 0;
  for (const auto& disk : disks) {
    DOAGENT_CHECK(!disk.device.empty());
    DOAGENT_CHECK(disk.columns == 11 || disk.columns == 15 || disk.columns == 17);
  }
  return 0;
}
