// /proc/PID/mountinfo: what is mounted where, as that process sees it. proc_pid_mountinfo(5);
// Documentation/filesystems/proc.rst, "/proc/<pid>/mountinfo".
//
//   36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//
// Mount id, parent's id, device number, root within the file system, mount point, mount options,
// any number of optional fields, "-", file system type, source, options of the superblock. Fields
// are separated by exactly one space each; a source may be empty; blanks, newlines, backslashes
// and "#" within a field are written as three octal digits after a backslash.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "spool/result.h"

namespace doagent::collector {

struct Mount {
  std::string mount_point;   // unescaped: the path as a system call takes it
  std::string_view fs_type;  // into the text
  std::string_view source;   // into the text, escaped as the kernel wrote it
  bool read_only = false;    // the mount or the whole file system is
};

// Fills `out`; after an error its content is unspecified. An empty text is a namespace without
// mounts.
Result<void> ParseMountinfo(std::string_view text, std::vector<Mount>& out);

// "/a\040b" -> "/a b". What is not a backslash with three octal digits stays as it is.
std::string UnescapeOctal(std::string_view text);

}  // namespace doagent::collector
