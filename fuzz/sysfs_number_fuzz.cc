// Any bytes in the place of a number in sysfs: a result that holds what its header says, or an
// error.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "collector/sysfs_number.h"
#include "spool/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace doagent::collector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto number = ParseSysfsNumber(text);
  DOAGENT_CHECK(number || !number.error().what.empty());
  return 0;
}
