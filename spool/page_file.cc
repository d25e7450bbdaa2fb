#include "spool/page_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace doagent::spool {
namespace {

constexpr std::size_t kLogHeaderBytes = 32;
constexpr std::size_t kFrameHeaderBytes = 24;
constexpr std::size_t kFrameBytes = kFrameHeaderBytes + kPageBytes;

// "WAL magic": the lowest bit says in which byte order the checksums are computed.
constexpr std::uint32_t kLogMagic = 0x377f0682;

struct FrameHeader {
  PageNumber page = 0;
  std::uint32_t commit_pages = 0;  // the database's size; 0: not the end of a transaction
  std::uint64_t salts = 0;
  std::uint64_t checksum = 0;
};

std::uint64_t ReadPair(const std::uint8_t* bytes) {
  return std::uint64_t{ReadBigEndian(bytes, 4)} << 32 | ReadBigEndian(bytes + 4, 4);
}

FrameHeader ParseFrameHeader(const std::uint8_t* bytes) {
  return {ReadBigEndian(bytes, 4), ReadBigEndian(bytes + 4, 4), ReadPair(bytes + 8),
          ReadPair(bytes + 16)};
}

// The log's running checksum ("Checksum Algorithm").
class LogChecksum {
 public:
  explicit LogChecksum(bool big_endian) : big_endian_(big_endian) {}

  // REQUIRES a multiple of 8 bytes.
  void Add(const std::uint8_t* bytes, std::size_t size) {
    for (std::size_t i = 0; i + 8 <= size; i += 8) {
      first_ += Word(bytes + i) + second_;
      second_ += Word(bytes + i + 4) + first_;
    }
  }
  std::uint64_t value() const { return std::uint64_t{first_} << 32 | second_; }

 private:
  std::uint32_t Word(const std::uint8_t* bytes) const {
    const std::uint32_t word = ReadBigEndian(bytes, 4);
    return big_endian_ ? word : __builtin_bswap32(word);
  }

  bool big_endian_;
  std::uint32_t first_ = 0;
  std::uint32_t second_ = 0;
};

using LogHeader = std::array<std::uint8_t, kLogHeaderBytes>;

LogChecksum ChecksumOf(const LogHeader& header) {
  LogChecksum checksum((ReadBigEndian(header.data(), 4) & 1) != 0);
  checksum.Add(header.data(), 24);
  return checksum;
}

bool IsIntact(const LogHeader& header) {
  return (ReadBigEndian(header.data(), 4) & ~1U) == kLogMagic &&
         ReadBigEndian(header.data() + 8, 4) == kPageBytes &&
         ChecksumOf(header).value() == ReadPair(header.data() + 24);
}

Result<std::size_t> SizeOf(const Descriptor& file) {
  if (!file.valid()) return std::size_t{0};
  struct stat status {};
  if (fstat(file.number(), &status) != 0) {
    return Fail(ErrorCode::kRetry, "a damaged file", std::strerror(errno));
  }
  return static_cast<std::size_t>(status.st_size);
}

// What is not there, or cannot be read, becomes zeros: the rest is of use.
void ReadAt(const Descriptor& file, std::size_t offset, std::uint8_t* bytes, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count =
        pread(file.number(), bytes + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  std::memset(bytes + done, 0, size - done);
}

}  // namespace

Result<PageFile> PageFile::Open(Descriptor database, Descriptor log) {
  PageFile file(std::move(database), std::move(log));
  DOAGENT_ASSIGN(const std::size_t bytes, SizeOf(file.database_));
  file.pages_ = (bytes + kPageBytes - 1) / kPageBytes;
  DOAGENT_ASSIGN(const std::size_t log_bytes, SizeOf(file.log_));
  if (log_bytes > kLogHeaderBytes) file.frames_ = (log_bytes - kLogHeaderBytes) / kFrameBytes;
  file.IndexLog();
  return file;
}

void PageFile::IndexLog() {
  if (frames_ == 0) return;
  // The log is used again and again from its beginning: what stands behind the frames of this run
  // is older than they are, and than the database. Without its header, the first frame says which
  // run this is.
  LogHeader header;
  ReadAt(log_, 0, header.data(), header.size());
  std::uint64_t run = IsIntact(header) ? ReadPair(header.data() + 16) : 0;
  std::array<std::uint8_t, kFrameHeaderBytes> bytes;
  for (std::size_t frame = 0; frame < frames_; ++frame) {
    ReadAt(log_, kLogHeaderBytes + frame * kFrameBytes, bytes.data(), bytes.size());
    const FrameHeader one = ParseFrameHeader(bytes.data());
    if (run == 0) run = one.salts;
    if (one.page != 0 && one.salts == run) last_frame_[one.page] = frame;
  }
}

bool PageFile::ReadPage(PageNumber number, Page& page) const {
  if (number == 0 || number > pages_) return false;
  ReadAt(database_, (std::size_t{number} - 1) * kPageBytes, page.data(), kPageBytes);
  return true;
}

std::optional<PageNumber> PageFile::ReadFrame(std::size_t frame, Page& page) const {
  if (frame >= frames_) return std::nullopt;
  std::array<std::uint8_t, kFrameBytes> bytes;
  ReadAt(log_, kLogHeaderBytes + frame * kFrameBytes, bytes.data(), kFrameBytes);
  const FrameHeader header = ParseFrameHeader(bytes.data());
  if (header.page == 0) return std::nullopt;
  std::copy(bytes.begin() + kFrameHeaderBytes, bytes.end(), page.begin());
  return header.page;
}

bool PageFile::ReadNewest(PageNumber number, Page& page) const {
  const auto found = last_frame_.find(number);
  if (found == last_frame_.end()) return ReadPage(number, page);
  return ReadFrame(found->second, page).has_value();
}

LogSummary PageFile::SummariseLog() const {
  LogSummary summary;
  summary.frames = frames_;
  if (frames_ == 0) return summary;
  LogHeader header;
  ReadAt(log_, 0, header.data(), header.size());
  // The frames' checksums go on from the header's.
  LogChecksum checksum = ChecksumOf(header);
  bool valid = IsIntact(header);
  // Without its header, the first frame says which run of the log this is.
  std::uint64_t salts = valid ? ReadPair(header.data() + 16) : 0;
  std::array<std::uint8_t, kFrameBytes> bytes;
  for (std::size_t frame = 0; frame < frames_; ++frame) {
    ReadAt(log_, kLogHeaderBytes + frame * kFrameBytes, bytes.data(), kFrameBytes);
    const FrameHeader one = ParseFrameHeader(bytes.data());
    if (salts == 0) salts = one.salts;
    if (valid) {
      checksum.Add(bytes.data(), 8);
      checksum.Add(bytes.data() + kFrameHeaderBytes, kPageBytes);
      valid = one.page != 0 && one.salts == salts && one.checksum == checksum.value();
    }
    const bool commit = one.page != 0 && one.commit_pages != 0 && one.salts == salts;
    if (valid && commit) summary.frames_valid = frame + 1;
    if (!valid && commit) ++summary.commits_lost;
  }
  return summary;
}

}  // namespace doagent::spool
