#include "spool/reserve_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "spool/file_system.h"

namespace doagent::spool {
namespace {

// Room for what one run of the log may add to the database, for the log to grow by as much while
// something is evicted, and for a log that has to be made anew.
constexpr std::uint64_t kBytes = 4 << 20;
// Of a small disk or a small spool, no more than this part.
constexpr std::uint64_t kPart = 16;
// What has to stay free besides, in reserves.
constexpr std::uint64_t kPlenty = 2;

}  // namespace

std::filesystem::path ReservePath(const std::filesystem::path& spool) {
  return spool.string() + ".reserve";
}

ReserveFile::ReserveFile(const std::filesystem::path& spool, std::uint64_t bytes_max)
    : path_(ReservePath(spool)), bytes_(kBytes) {
  if (const auto disk = DiskSpaceAt(FolderOf(path_))) {
    bytes_ = std::min(bytes_, disk->total_bytes / kPart);
  }
  if (bytes_max > 0) bytes_ = std::min(bytes_, bytes_max / kPart);
  std::error_code none;
  const auto size = std::filesystem::file_size(path_, none);
  there_ = !none;
  if (there_) bytes_ = size;
}

void ReserveFile::Restore() {
  if (there_ || bytes_ == 0) return;
  const auto disk = DiskSpaceAt(FolderOf(path_));
  if (!disk || disk->free_bytes < bytes_ * (kPlenty + 1)) return;
  const int descriptor =
      open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return;
  there_ = posix_fallocate(descriptor, 0, static_cast<off_t>(bytes_)) == 0;
  close(descriptor);
  if (!there_) (void)unlink(path_.c_str());
}

bool ReserveFile::GiveUp() {
  if (!there_) return false;
  there_ = false;
  return unlink(path_.c_str()) == 0;
}

}  // namespace doagent::spool
