// A descriptor to write to and a text to read back.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

namespace doagent::test {

class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("test", MFD_CLOEXEC)) {}
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const { return descriptor_; }
  std::string Read() const {
    struct stat info {};
    EXPECT_EQ(::fstat(descriptor_, &info), 0);
    std::string text(static_cast<std::size_t>(info.st_size), '\0');
    EXPECT_EQ(::pread(descriptor_, text.data(), text.size(), 0), info.st_size);
    return text;
  }

 private:
  int descriptor_;
};

}  // namespace doagent::test
