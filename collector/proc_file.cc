#include "collector/proc_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace doagent::collector {
namespace {

constexpr std::size_t kTableBytes = 4096;  // first buffer; doubles when the file needs more
constexpr std::size_t kValueBytes = 128;

tl::unexpected<Error> Failed(const std::string& path, const char* call, int error) {
  return Fail(ErrorCode::kRetry, path,
              std::string("cannot ") + call + ": " + std::generic_category().message(error));
}

bool IsMissing(int error) {
  return error == ENOENT || error == ENOTDIR;
}

// What a kept descriptor answers when its file was removed and perhaps made again since: a network
// device that went, a process that ended.
bool IsStale(int error) {
  return error == ESTALE || error == ENODEV || error == EINVAL || error == ESRCH ||
         error == ENOENT || error == ENXIO;
}

bool IsOnKernelFileSystem(int fd) {
  struct statfs fs = {};
  return ::fstatfs(fd, &fs) == 0 && (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC);
}

}  // namespace

ProcFile::ProcFile(std::string path, Shape shape, std::shared_ptr<ReadBuffer> buffer)
    : path_(std::move(path)),
      shape_(shape),
      buffer_(buffer != nullptr ? std::move(buffer) : std::make_shared<ReadBuffer>()) {}

// False: there is no such file.
Result<bool> ProcFile::Open() {
  // O_NONBLOCK: a pipe in the place of a file must not hang us.
  descriptor_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!descriptor_) {
    if (IsMissing(errno)) return false;
    return Failed(path_, "open", errno);
  }
  struct stat status = {};
  if (::fstat(descriptor_.get(), &status) != 0) {
    const int error = errno;
    descriptor_.Close();
    return Failed(path_, "examine", error);
  }
  if (!S_ISREG(status.st_mode)) {
    descriptor_.Close();
    return Fail(ErrorCode::kRefuse, path_, "not a regular file");
  }
  kernel_file_ = IsOnKernelFileSystem(descriptor_.get());
  return true;
}

// Reads all of the file into the buffer. Returns 0 or errno; EFBIG for more than kBytesMax.
int ProcFile::Fill() {
  ReadBuffer& buffer = *buffer_;
  size_ = 0;
  if (buffer.empty()) buffer.resize(shape_ == Shape::kValue ? kValueBytes : kTableBytes);
  for (;;) {
    if (size_ == buffer.size()) {
      if (size_ > kBytesMax) return EFBIG;
      // One byte more than the limit, so that a file of exactly the limit is seen to end.
      buffer.resize(std::min(2 * buffer.size(), kBytesMax + 1));
    }
    const std::size_t offered = buffer.size() - size_;
    const ssize_t got =
        ::pread(descriptor_.get(), buffer.data() + size_, offered, static_cast<off_t>(size_));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    size_ += static_cast<std::size_t>(got);
    if (got == 0) return 0;
    if (shape_ != Shape::kTable && static_cast<std::size_t>(got) < offered) return 0;
  }
}

bool ProcFile::MayHaveChanged() const {
  if (!descriptor_) return true;  // not opened yet, or not a file of the kernel
  struct pollfd state = {.fd = descriptor_.get(), .events = POLLPRI, .revents = 0};
  return ::poll(&state, 1, 0) != 0;
}

Result<std::optional<std::string_view>> ProcFile::Read() {
  const bool reused = static_cast<bool>(descriptor_);
  if (!reused) {
    DOAGENT_ASSIGN(const bool found, Open());
    if (!found) return std::nullopt;
  }
  int error = Fill();
  if (error != 0 && reused && IsStale(error)) {
    descriptor_.Close();
    DOAGENT_ASSIGN(const bool found, Open());
    if (!found) return std::nullopt;
    error = Fill();
  }
  if (error != 0 || !kernel_file_) descriptor_.Close();
  if (error == EFBIG) {
    *buffer_ = {};
    return Fail(ErrorCode::kRefuse, path_,
                "larger than " + std::to_string(kBytesMax) + " bytes: not a file of the kernel");
  }
  if (error != 0) return Failed(path_, "read", error);
  return std::string_view(buffer_->data(), size_);
}

}  // namespace doagent::collector
