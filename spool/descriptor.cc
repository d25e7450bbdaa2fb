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
  return !IsAt(path);
}

bool Descriptor::IsAt(const std::filesystem::path& path) const {
  struct stat named {};
  struct stat open {};
  return valid() && stat(path.c_str(), &named) == 0 && fstat(number_, &open) == 0 &&
         named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

}  // namespace doagent::spool
