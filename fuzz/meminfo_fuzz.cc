// Any bytes in the place of /proc/meminfo: a result that holds what its header says, or an error.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "collector/meminfo.h"
#include "spool/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace doagent::collector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<MeminfoField> fields;
  if (!ParseMeminfo(text, fields)) return 0;
  DOAGENT_CHECK(!fields.empty());
  for (const auto& field : fields) {
    DOAGENT_CHECK(!field.name.empty() && field.name.find_first_of(": \n") == field.name.npos);
  }
  return 0;
}
