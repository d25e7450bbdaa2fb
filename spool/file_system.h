// Where a file lies, and what the file system there has: statvfs(3), stat(2).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace doagent::spool {

// Never empty, so that it can be opened.
std::filesystem::path FolderOf(const std::filesystem::path& file);

struct DiskSpace {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;  // to those who are not root
};

// Nothing: the path leads nowhere, or the file system does not say.
std::optional<DiskSpace> DiskSpaceAt(const std::filesystem::path& path);

// What the file system keeps for the file beyond its end: fallocate(2). 0 where that is not known.
std::uint64_t BytesKeptFor(const std::filesystem::path& file);

}  // namespace doagent::spool
