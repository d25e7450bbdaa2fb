// Any bytes in the place of available_clocksource in sysfs: a result that holds what its header
// says, or an error.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "collector/clocksource.h"
#include "spool/check.h"
#include "spool/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace doagent::collector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> names;
  if (!ParseClocksources(text, names)) return 0;
  DOAGENT_CHECK(!names.empty());
  for (const auto name : names) DOAGENT_CHECK(doagent::IsUtf8(name));
  return 0;
}
