#include "spool/file_system.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>

namespace doagent::spool {

std::filesystem::path FolderOf(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : ".";
}

std::optional<DiskSpace> DiskSpaceAt(const std::filesystem::path& path) {
  struct statvfs disk {};
  if (statvfs(path.c_str(), &disk) != 0) return std::nullopt;
  return DiskSpace{disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize};
}

std::uint64_t BytesKeptFor(const std::filesystem::path& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) return 0;
  constexpr blkcnt_t kBlock = 512;  // whatever the file system's are
  return static_cast<std::uint64_t>(std::max<off_t>(0, status.st_blocks * kBlock - status.st_size));
}

}  // namespace doagent::spool
