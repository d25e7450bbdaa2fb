#include "spool/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "spool/file_system.h"

namespace doagent::spool {
namespace {

std::string Holder(int descriptor) {
  std::array<char, 256> text;
  const ssize_t size = pread(descriptor, text.data(), text.size(), 0);
  if (size <= 0) return "another process";
  std::string holder(text.data(), static_cast<std::size_t>(size));
  return holder.substr(0, holder.find('\n'));
}

// A courtesy to whoever comes second: a full disk, which could prevent it, must not keep the agent
// from starting, so the outcome does not matter.
void NameHolder(int descriptor, const std::string& program) {
  const std::string holder = program + ", process " + std::to_string(getpid()) + "\n";
  if (ftruncate(descriptor, 0) == 0) {
    [[maybe_unused]] const ssize_t written =
        pwrite(descriptor, holder.data(), holder.size(), /*offset=*/0);
  }
}

}  // namespace

std::filesystem::path LockPath(const std::filesystem::path& spool) {
  // Of the file itself: a second way to it, through a symbolic link, must meet the same lock.
  std::error_code unresolved;
  const auto resolved = std::filesystem::weakly_canonical(spool, unresolved);
  return (unresolved ? spool : resolved).string() + ".lock";
}

Result<LockFile> LockFile::Acquire(const std::filesystem::path& spool, const std::string& program) {
  const std::string path = LockPath(spool).string();
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  // The folder is not made: one that is missing is a slip in the path, or a disk that is not
  // mounted, and history would go where nobody looks for it.
  if (descriptor < 0 && (errno == ENOENT || errno == ENOTDIR)) {
    return Fail(
        ErrorCode::kFatal, spool.string(),
        FolderOf(path).string() + " is not a folder; make it, or name another place with --spool");
  }
  if (descriptor < 0) {
    return Fail(ErrorCode::kFatal, path,
                std::string("cannot make the lock file: ") + std::strerror(errno));
  }
  LockFile lock(Descriptor(descriptor), path);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return Fail(ErrorCode::kFatal, path, std::string("cannot lock: ") + std::strerror(errno));
    }
    return Fail(ErrorCode::kBusy, spool.string(),
                "is in use by " + Holder(descriptor) +
                    "; stop that process first, or choose another file with --spool");
  }
  NameHolder(descriptor, program);
  return lock;
}

}  // namespace doagent::spool
