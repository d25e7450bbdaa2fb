// Any bytes in the place of /proc/net/dev: a result that holds what its header says, or an error.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "collector/net_dev.h"
#include "spool/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace doagent::collector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<NetDev> devices;
  if (!ParseNetDev(text, devices)) return 0;
  for (const auto& dev : devices) {
    // The name becomes a part of a path.
    DOAGENT_CHECK(!dev.device.empty() && dev.device != "." && dev.device != "..");
    DOAGENT_CHECK(dev.device.find('/') == dev.device.npos);
  }
  return 0;
}
