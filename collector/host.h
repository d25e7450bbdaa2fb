// Which machine this is and since when it runs.
#pragma once

#include <filesystem>

#include "spool/ids.h"
#include "spool/model.h"
#include "spool/result.h"

namespace doagent::collector {

// PROCFS/sys/kernel/random/boot_id (random(4)). The zero id where there is no such file, as in a
// copy of another machine's /proc.
//
//   01234567-89ab-cdef-0123-456789abcdef
Result<BootId> ReadBootId(const std::filesystem::path& procfs);

// The host name from PROCFS/sys/kernel/hostname and the machine id from ROOTFS/etc/machine-id
// (machine-id(5): 32 hexadecimal digits, or "uninitialized" before the first boot has finished).
// What is not there stays empty.
Result<spool::Host> ReadHost(const std::filesystem::path& procfs,
                             const std::filesystem::path& rootfs);

}  // namespace doagent::collector
