// Any bytes in the place of /proc/PID/mountinfo: a result that holds what its header says, or an
// error.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "collector/mountinfo.h"
#include "spool/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace doagent::collector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<Mount> mounts;
  if (!ParseMountinfo(text, mounts)) return 0;
  for (const auto& mount : mounts) {
    DOAGENT_CHECK(!mount.mount_point.empty() && !mount.fs_type.empty());
    DOAGENT_CHECK(mount.mount_point.find('\0') == std::string::npos);
  }
  return 0;
}
