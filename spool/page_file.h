// The pages of a spool's database file and of its write-ahead log, read without SQLite: for files
// that SQLite refuses, or of which it would forget a part. Nothing is written, nothing is trusted;
// what a disk cannot read any more counts as zeros. Not thread-safe.
//
// Formats: https://www.sqlite.org/fileformat2.html, "The Database Header", "The Write-Ahead Log".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "spool/descriptor.h"
#include "spool/result.h"

namespace doagent::spool {

// Every spool has this one (docs/spool-format.md, "The file").
inline constexpr std::size_t kPageBytes = 1024;

using Page = std::array<std::uint8_t, kPageBytes>;
using PageNumber = std::uint32_t;  // from 1

inline std::uint32_t ReadBigEndian(const std::uint8_t* bytes, int count) {
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

// What the log says of itself.
struct LogSummary {
  std::size_t frames = 0;        // slots for a frame, whatever is in them
  std::size_t frames_valid = 0;  // up to the last commit that SQLite would find
  std::size_t commits_lost = 0;  // ends of transactions behind it, of the same run of the log
  bool damaged() const { return commits_lost > 0; }
};

class PageFile {
 public:
  // Either may be missing (an invalid descriptor).
  static Result<PageFile> Open(Descriptor database, Descriptor log);

  const Descriptor& database() const { return database_; }
  const Descriptor& log() const { return log_; }
  std::size_t pages() const { return pages_; }
  std::size_t frames() const { return frames_; }

  // The page as the file has it; one that is cut off is filled up with zeros. False: not there.
  bool ReadPage(PageNumber number, Page& page) const;
  // A page as the log has it, in the order in which they were written; its number. Nothing: the
  // slot holds no frame.
  std::optional<PageNumber> ReadFrame(std::size_t frame, Page& page) const;
  // The newest version of a page: the last one of the log's present run, else the file's. False:
  // not there.
  bool ReadNewest(PageNumber number, Page& page) const;
  bool InLog(PageNumber number) const { return last_frame_.count(number) != 0; }

  // Reads the whole log as SQLite does when it opens one after a crash, and goes on behind the
  // place where it stops: a flipped bit makes it forget every commit that follows.
  LogSummary SummariseLog() const;

 private:
  void IndexLog();

  PageFile(Descriptor database, Descriptor log)
      : database_(std::move(database)), log_(std::move(log)) {}

  Descriptor database_;
  Descriptor log_;
  std::size_t pages_ = 0;
  std::size_t frames_ = 0;
  std::unordered_map<PageNumber, std::size_t> last_frame_;
};

}  // namespace doagent::spool
