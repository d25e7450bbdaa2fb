// A folder that is gone with the test.
#pragma once

#include <filesystem>

namespace doagent::test {

class TempDir {
 public:
  // kMemory: in a file system without a disk, if there is one: for tests that write much and do not
  // depend on what a disk does.
  enum class Where { kDefault, kMemory };
  explicit TempDir(Where where = Where::kDefault);
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace doagent::test
