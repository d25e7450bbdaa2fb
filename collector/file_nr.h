// /proc/sys/fs/file-nr: open files. The kernel's Documentation/admin-guide/sysctl/fs.rst.
//
//   495	0	2466177
//
// Allocated file handles, allocated but unused ones (0 since Linux 2.6), the maximum.
#pragma once

#include <cstdint>
#include <string_view>

#include "spool/result.h"

namespace doagent::collector {

struct FileNr {
  std::uint64_t allocated = 0;
  std::uint64_t unused = 0;
  std::uint64_t maximum = 0;
};

Result<FileNr> ParseFileNr(std::string_view text);

}  // namespace doagent::collector
