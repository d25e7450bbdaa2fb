// What a spool takes of the disk, and what it may: whether something has to go, and room for what
// comes next. What goes is retention.h's.
//
// Works on the writing connection: whoever holds that calls it. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "spool/reserve_file.h"
#include "spool/result.h"
#include "spool/spool.h"
#include "spool/sqlite.h"

namespace doagent::spool {

class SpaceBudget {
 public:
  // REQUIRES that database and reserve outlive it.
  SpaceBudget(Database& database, ReserveFile& reserve, const RetentionPolicy& policy);

  // Why something has to go; empty: it need not. What costs nobody a record is given up before:
  // damaged files that were taken over, and what was kept of damaged records.
  Result<std::string> Look();

  // A write found no space: what there is to be done about it is not put off.
  void NoteDiskFull() { write_refused_ = true; }
  // The file cannot grow any more: the next records have to fit into what it has.
  bool disk_full() const { return disk_full_; }
  // It is worth looking again before long.
  bool near_limit() const { return near_limit_; }

  // A checkpoint may have given back what is kept for the growth of the file: it is taken again
  // before anybody else takes it. False: it is gone.
  bool KeepRoom();

  // Gives free pages back to the file system, some at a time. True: there are more.
  Result<bool> Vacuum();

 private:
  struct Space {
    std::uint64_t pages_bytes = 0;    // of the database, whether or not its file has them yet
    std::uint64_t spare_bytes = 0;    // of its free pages
    std::uint64_t file_bytes = 0;     // of its file, with what is kept for its growth
    std::uint64_t beside_bytes = 0;   // of the log, and of what lies beside the file
    std::uint64_t awaited_bytes = 0;  // of damaged files that are still to be taken over
    std::optional<std::uint64_t> disk_free_bytes;
    // What is in use, and what is taken on the disk. A file that is being taken over is there
    // twice for a while: nothing goes for that.
    std::uint64_t UsedBytes() const { return pages_bytes - spare_bytes + beside_bytes; }
    std::uint64_t TakenBytes() const {
      return std::max(file_bytes, pages_bytes) + beside_bytes + awaited_bytes;
    }
    // What fits in before the file has to grow.
    std::uint64_t Room() const {
      const std::uint64_t taken = pages_bytes - spare_bytes;
      return file_bytes > taken ? file_bytes - taken : 0;
    }
  };

  Result<Space> Measure();
  bool DiskIsShort(const Space& space) const;
  // How far below its limit the spool stays.
  std::uint64_t Margin() const;
  // Sees to it that what comes next can be copied from the log to the file, before it is in the
  // log: a log that cannot be emptied is a dead end.
  void MakeRoom(const Space& space);
  // Damaged files of which everything has been taken over. False: there are none.
  Result<bool> GiveUpWreck();
  // What was kept of damaged records. False: there is nothing.
  Result<bool> GiveUpDamaged();
  std::string Want(const Space& space);

  Database& database_;
  ReserveFile& reserve_;
  const RetentionPolicy policy_;
  bool near_limit_ = false;
  bool write_refused_ = false;
  bool disk_full_ = false;
  bool making_room_ = false;       // on a full disk, until there is enough
  std::uint64_t room_wanted_ = 0;  // bytes, beyond the pages
  std::uint64_t kept_bytes_ = 0;   // of the disk, for the file; 0: what it needs
};

}  // namespace doagent::spool
