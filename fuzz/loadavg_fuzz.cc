// Any bytes in the place of /proc/loadavg: a result that holds what its header says, or an error.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "collector/loadavg.h"
#include "spool/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace doagent::collector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto load = ParseLoadavg(text);
  DOAGENT_CHECK(load || !load.error().what.empty());
  return 0;
}
