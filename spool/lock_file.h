// FILE.lock: one writer per spool. An flock on a file of its own, since SQLite's locks guard single
// transactions only; the kernel drops it with the process, however that ends. The file names its
// holder and is never unlinked: two processes could otherwise each hold "the" lock.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "spool/descriptor.h"
#include "spool/result.h"
#include "spool/time.h"

namespace doagent::spool {

class LockFile {
 public:
  // kBusy: held by another process, which the error names. kFatal: the file cannot be made.
  static Result<LockFile> Acquire(const std::filesystem::path& spool, const std::string& program);

  // Whether the file is still there under its name: without that, another process could hold a
  // lock on a new one.
  bool IsNamed() const { return file_.IsAt(path_); }

 private:
  LockFile(Descriptor file, std::filesystem::path path)
      : file_(std::move(file)), path_(std::move(path)) {}

  Descriptor file_;
  std::filesystem::path path_;
};

std::filesystem::path LockPath(const std::filesystem::path& spool);

}  // namespace doagent::spool
