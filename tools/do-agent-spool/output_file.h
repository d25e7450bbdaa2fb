// The file that `dump --output` writes.
#pragma once

#include <filesystem>
#include <utility>

#include "spool/result.h"

namespace doagent::spool_tool {

class OutputFile {
 public:
  OutputFile() = default;
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  OutputFile& operator=(OutputFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  // Creates or empties the file. kFatal: what the file system refuses.
  static Result<OutputFile> Create(const std::filesystem::path& path);

  int descriptor() const { return descriptor_; }  // -1: none

  // Errors of a delayed write show here. REQUIRES a file.
  Result<void> Close(const std::filesystem::path& path);

 private:
  int descriptor_ = -1;
};

// Whether writing the output would destroy the spool: it is the spool's file or one of those that
// belong to it (-wal, -shm, .lock).
bool IsPartOfSpool(const std::filesystem::path& output, const std::filesystem::path& spool);

}  // namespace doagent::spool_tool
