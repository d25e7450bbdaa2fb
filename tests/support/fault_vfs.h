// A disk that fails, under SQLite: while an object of this class lives, it is SQLite's default VFS,
// a shim over the real one. It fails a call of one's choice, and keeps a journal of everything that
// changes files, from which it reconstructs what a disk may hold after a power cut.
//
// What it models: a write may be lost, or torn at a sector, until its file is synced; writes that
// are not synced may reach the disk in any order. Creating or deleting a file may be lost until
// the next sync of any file. What it does not: a file system's own journal, sectors larger than 512
// bytes; shared memory and locks pass through untouched. Files that are not opened through SQLite
// do not exist for it. Thread-safe.
#pragma once

#include <sqlite3.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace doagent::test {

class FaultVfs {
 public:
  enum class Call : std::uint8_t { kOpen, kRead, kWrite, kSync, kTruncate, kDelete, kSize, kShm };
  static constexpr std::size_t kCalls = 8;

  FaultVfs();
  ~FaultVfs();  // REQUIRES that every file opened through it is closed
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  // The nth call of the kind from now on fails with SQLite's code, and `more` behind it; errno is
  // then `error`.
  void FailAt(Call call, std::uint64_t nth, int code, std::uint64_t more = 0, int error = EIO);
  // Whether that call has come.
  bool failed() const;
  // No call fails any more.
  void Heal();

  // --- Power cuts -------------------------------------------------------------------------------

  // What the files of a folder hold, by name.
  using Files = std::map<std::string, std::string>;

  // From now on, what changes the folder's files is remembered.
  void StartJournal(const std::filesystem::path& folder);
  std::size_t journal_size() const;

  // Calls visit with the states that the disk may be in when the power goes after this many entries
  // of the journal: all unsynced operations done, none, each one alone missing, each one alone
  // done, the last write torn at every sector, and random subsets. Of more than `each_max` unsynced
  // operations, only some are taken for missing or alone. REQUIRES that nothing changes the folder
  // meanwhile.
  void VisitStates(std::size_t entries, std::size_t each_max, std::uint64_t seed,
                   const std::function<void(const Files&)>& visit) const;

  // Called by the shim's functions.
  int Check(Call call);
  void NoteWrite(const std::string& path, std::int64_t offset, const void* data, int size);
  void NoteTruncate(const std::string& path, std::int64_t size);
  void NoteSync(const std::string& path);
  void NoteDelete(const std::string& path);
  sqlite3_vfs* real() const { return real_; }

 private:
  struct Operation {
    enum class Kind : std::uint8_t { kWrite, kTruncate, kDelete, kSync };
    Kind kind = Kind::kWrite;
    std::string file;
    std::size_t offset = 0;  // or size, of a truncation
    std::string data;
  };

  void Note(const std::string& path, Operation operation);
  static void Apply(const Operation& operation, std::size_t bytes, Files& files);

  sqlite3_vfs* real_;
  sqlite3_vfs shim_{};
  mutable std::mutex mutex_;
  std::array<std::uint64_t, kCalls> until_{};  // calls until the failing one; 0: none fails
  std::array<std::uint64_t, kCalls> more_{};
  int code_ = 0;
  int error_ = 0;
  bool failed_ = false;
  std::string folder_;  // empty: no journal
  Files before_;
  std::vector<Operation> journal_;
};

}  // namespace doagent::test
