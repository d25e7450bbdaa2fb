#include "spool/set_aside.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

#include "spool/file_system.h"

namespace doagent::spool {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInfix = ".damaged-";
constexpr const char* kLogInfix = ".damaged-log-";  // of a spool that goes on
// In this order: a log without its database is what an interrupted renaming leaves.
constexpr std::array<std::string_view, 3> kSuffixes = {"", "-wal", "-shm"};

fs::path With(const fs::path& path, std::string_view suffix) {
  return path.string() + std::string(suffix);
}

bool Exists(const fs::path& path) {
  std::error_code none;
  return fs::exists(fs::symlink_status(path, none));
}

// A number where the time is not enough.
fs::path FreeName(const fs::path& spool, const char* infix, WallTime now) {
  const std::string base = spool.string() + infix + NameOfTime(now);
  std::string name = base;
  const auto taken = [&name] {
    for (const std::string_view suffix : kSuffixes) {
      if (Exists(With(name, suffix))) return true;
    }
    return false;
  };
  for (int number = 2; taken(); ++number) name = base + "." + std::to_string(number);
  return name;
}

bool SameContent(const fs::path& one, const fs::path& other) {
  std::error_code none;
  if (fs::file_size(one, none) != fs::file_size(other, none) || none) return false;
  std::ifstream left(one, std::ios::binary);
  std::ifstream right(other, std::ios::binary);
  using Bytes = std::istreambuf_iterator<char>;
  return left && right && std::equal(Bytes(left), Bytes(), Bytes(right));
}

Result<void> Rename(const fs::path& from, const fs::path& to) {
  if (rename(from.c_str(), to.c_str()) == 0 || errno == ENOENT) return {};
  return Fail(ErrorCode::kFatal, from.string(),
              "cannot be renamed to " + to.string() + ": " + std::strerror(errno));
}

// So that the names survive a power cut, too.
void SyncFolderOf(const fs::path& path) {
  const fs::path folder = FolderOf(path);
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  (void)fsync(descriptor);
  close(descriptor);
}

Result<void> SyncFile(const fs::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && fsync(descriptor) == 0;
  const int error = errno;
  if (descriptor >= 0) close(descriptor);
  if (synced) return {};
  return Fail(ErrorCode::kRetry, path.string(), std::strerror(error));
}

// Durable on return. `what`: it is, for people.
Result<void> Copy(const fs::path& from, const fs::path& to, const std::string& what) {
  std::error_code failed;
  fs::copy_file(from, to, failed);
  if (failed) {
    std::error_code none;
    fs::remove(to, none);
    // Of a copy that is cut short, the library says no more than that.
    const auto disk = DiskSpaceAt(FolderOf(to));
    const bool too_large = disk && disk->free_bytes < fs::file_size(from, none);
    const bool full =
        failed == std::errc::no_space_on_device || failed.value() == EDQUOT || too_large;
    return Fail(full ? ErrorCode::kEvict : ErrorCode::kFatal, to.string(),
                "cannot copy " + what + ": " +
                    (full ? "there is too little space on the disk" : failed.message()));
  }
  DOAGENT_TRY(SyncFile(to));
  SyncFolderOf(to);
  return {};
}

Result<void> CopyOpen(const Descriptor& from, const fs::path& to, const std::string& what) {
  if (!from.valid()) return {};
  return Copy("/proc/self/fd/" + std::to_string(from.number()), to, what);
}

// All of them, or none: a database without its log would be taken for one that was removed.
Result<void> RenameSet(const fs::path& spool, const fs::path& aside) {
  for (std::size_t i = 0; i < kSuffixes.size(); ++i) {
    if (auto renamed = Rename(With(spool, kSuffixes[i]), With(aside, kSuffixes[i])); !renamed) {
      while (i-- > 0) (void)Rename(With(aside, kSuffixes[i]), With(spool, kSuffixes[i]));
      return renamed;
    }
    // One after the other on disk, too: see FinishSetAside.
    SyncFolderOf(spool);
  }
  return {};
}

}  // namespace

std::string NameOfTime(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(time));
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  (void)std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%S", &parts);
  constexpr std::int64_t kPerSecond = 1'000'000'000;
  const std::int64_t fraction = (UnixNanoseconds(time) % kPerSecond + kPerSecond) % kPerSecond;
  std::array<char, 16> digits{};
  (void)std::snprintf(digits.data(), digits.size(), ".%09lldZ", static_cast<long long>(fraction));
  return std::string(text.data()) + digits.data();
}

std::string TimeInName(const fs::path& aside) {
  const std::string name = aside.filename().string();
  return name.substr(name.rfind('-') + 1);
}

Result<fs::path> SetAside(const fs::path& spool, WallTime now) {
  std::error_code none;
  const fs::path log = With(spool, "-wal");
  const bool log_is_empty = !Exists(log) || fs::file_size(log, none) == 0;
  // A file without a byte was made a moment ago.
  if (fs::file_size(spool, none) == 0 && !none && log_is_empty) return fs::path();
  const fs::path aside = FreeName(spool, kInfix, now);
  DOAGENT_TRY(RenameSet(spool, aside));
  return aside;
}

Result<fs::path> CopyLogAside(const fs::path& spool, WallTime now) {
  const fs::path log = With(spool, "-wal");
  // An opening that failed after this is tried again and again.
  for (const fs::path& aside : FilesSetAside(spool)) {
    if (IsLogAside(aside) && SameContent(With(aside, "-wal"), log)) return aside;
  }
  const fs::path aside = FreeName(spool, kLogInfix, now);
  // The log is written over before long.
  DOAGENT_TRY(Copy(log, With(aside, "-wal"), "the damaged log"));
  return aside;
}

fs::path NameOfRemoved(const fs::path& spool, int number, WallTime noticed) {
  return spool.string() + kInfix + "removed-" + std::to_string(number) + "-" + NameOfTime(noticed);
}

Result<void> CopyAside(const Descriptor& database, const Descriptor& log, const fs::path& aside) {
  const std::string what = "the file that was removed";
  auto copied = CopyOpen(log, With(aside, "-wal"), what);
  if (copied) copied = CopyOpen(database, aside, what);
  if (!copied) (void)RemoveSetAside(aside);
  return copied;
}

Result<void> FinishSetAside(const fs::path& spool, WallTime now) {
  std::error_code none;
  // A database of no bytes is none either: SQLite would remove the log beside it.
  const bool there = Exists(spool) && fs::file_size(spool, none) > 0;
  const fs::path log = With(spool, "-wal");
  if (there || !Exists(log) || fs::file_size(log, none) == 0) return {};
  auto sets = FilesSetAside(spool);
  std::erase_if(sets, IsLogAside);
  if (!Exists(spool) && !sets.empty() && !Exists(With(sets.back(), "-wal"))) {
    return RenameSet(spool, sets.back());
  }
  // The database alone was removed, or cut off: what is in its log is worth keeping.
  return RenameSet(spool, FreeName(spool, kInfix, now));
}

bool IsLogAside(const fs::path& aside) {
  return aside.filename().string().find(kLogInfix) != std::string::npos;
}

std::vector<fs::path> FilesSetAside(const fs::path& spool) {
  const fs::path folder = FolderOf(spool);
  const std::string prefix = spool.filename().string() + kInfix;
  std::set<fs::path> names;
  std::error_code none;
  for (fs::directory_iterator entry(folder, none), end; !none && entry != end;
       entry.increment(none)) {
    std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    for (const std::string_view suffix : {"-wal", "-shm"}) {
      if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
    }
    names.insert(folder / name);
  }
  return {names.begin(), names.end()};
}

std::uint64_t BytesOfSet(const fs::path& aside) {
  std::uint64_t bytes = 0;
  for (const std::string_view suffix : kSuffixes) {
    std::error_code none;
    const auto size = fs::file_size(With(aside, suffix), none);
    if (!none) bytes += size;
  }
  return bytes;
}

std::uint64_t BytesSetAside(const fs::path& spool) {
  std::uint64_t bytes = 0;
  for (const fs::path& aside : FilesSetAside(spool)) bytes += BytesOfSet(aside);
  return bytes;
}

void RemoveLog(const fs::path& spool) {
  std::error_code none;
  fs::remove(With(spool, "-wal"), none);
  fs::remove(With(spool, "-shm"), none);
}

bool RemoveSetAside(const fs::path& aside) {
  bool all = true;
  for (const std::string_view suffix : kSuffixes) {
    std::error_code failed;
    fs::remove(With(aside, suffix), failed);
    all = all && !failed;
  }
  return all;
}

}  // namespace doagent::spool
