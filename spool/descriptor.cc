#include "spool/descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace doagent::spool {

Descriptor::Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) close(number_);
}

Result<std::optional<Descriptor>> Descriptor::OpenForReading(const std::filesystem::path& path) {
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.valid()) return file;
  if (errno == ENOENT) return std::nullopt;
  return Fail(ErrorCode::kRetry, path.string(), std::strerror(errno));
}

bool Descriptor::IsGoneFrom(const std::filesystem::path& path) const {
  struct stat named {};
  if (stat(path.c_str(), &named) != 0) return errno == ENOENT || errno == ENOTDIR;
  return !Is(named);
}

bool Descriptor::IsAt(const std::filesystem::path& path) const {
  struct stat named {};
  return stat(path.c_str(), &named) == 0 && Is(named);
}

bool Descriptor::Is(const struct stat& named) const {
  struct stat open {};
  return valid() && fstat(number_, &open) == 0 && named.st_dev == open.st_dev &&
         named.st_ino == open.st_ino;
}

}  // namespace doagent::spool
