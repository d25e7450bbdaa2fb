// Any bytes in the place of /proc/vmstat: a result that holds what its header says, or an error.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "collector/scan.h"
#include "collector/vmstat.h"
#include "spool/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace doagent::collector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<VmstatField> fields;
  if (!ParseVmstat(text, fields)) return 0;
  DOAGENT_CHECK(!fields.empty());
  for (const auto& field : fields) DOAGENT_CHECK(IsIdentifier(field.name));
  return 0;
}
