// A file of /proc or /sys that is read again and again.
//
// The descriptor stays open and the file is read with pread from its beginning into a buffer that
// is reused: half the cost of opening it each time. Files that are not on procfs or sysfs (copies
// of another machine's) are opened anew for every reading, since somebody may replace them.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/unique_fd.h"
#include "spool/result.h"

namespace doagent::collector {

using ReadBuffer = std::vector<char>;

class ProcFile {
 public:
  // Larger than any of these files gets on machines with thousands of CPUs, mounts or devices.
  static constexpr std::size_t kBytesMax = std::size_t{4} << 20;

  enum class Shape {
    // Any number of records; the kernel hands out a page or so of them a call, so the end is where
    // a read returns nothing.
    kTable,
    // Made by the kernel in one piece (single_open in its sources): a read that returns less than
    // it was offered has reached the end.
    kWhole,
    // The same, and short: a few numbers under /proc/sys or an attribute in /sys. Reading one of
    // those costs in proportion to the buffer offered (0.3 µs for 64 bytes, 11 µs for 256 KiB).
    kValue,
  };

  // Opens nothing yet. Files that are read one after the other may share a buffer, so that it stays
  // in the CPU's caches; without one the file has its own.
  explicit ProcFile(std::string path, Shape shape = Shape::kTable,
                    std::shared_ptr<ReadBuffer> buffer = nullptr);

  const std::string& path() const { return path_; }

  // What the file says now, valid until the next reading into the same buffer. Nothing: there is no
  // such file. An error: it cannot be read, is not a regular file, or is larger than kBytesMax.
  Result<std::optional<std::string_view>> Read();

  // Whether the kernel says that the file changed since the last call, or cannot say so. Only
  // mountinfo is such a file: poll(2) on it tells of mounts and unmounts (proc_pid_mountinfo(5)).
  bool MayHaveChanged() const;

  // Gives the descriptor back; the next Read opens the file again.
  void Close() { descriptor_.Close(); }

 private:
  Result<bool> Open();
  int Fill();

  std::string path_;
  Shape shape_;
  UniqueFd descriptor_;
  bool kernel_file_ = false;  // on procfs or sysfs: the descriptor may be kept
  std::shared_ptr<ReadBuffer> buffer_;
  std::size_t size_ = 0;
};

// Reads the file and hands its text to `parse`, a callable that returns a Result<void>. False:
// there is no such file. The parser's errors get the file's path.
template <typename Parse>
Result<bool> ReadAndParse(ProcFile& file, Parse parse) {
  DOAGENT_ASSIGN(const auto text, file.Read());
  if (!text) return false;
  Result<void> parsed = parse(*text);
  if (!parsed) {
    Error error = std::move(parsed).error();
    error.where = file.path();
    return Fail(std::move(error));
  }
  return true;
}

}  // namespace doagent::collector
