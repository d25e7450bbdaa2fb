// Opens a spool for its owner, whatever state its files are in: what is damaged is set aside, and a
// new file takes its place, so that collection always goes on.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "spool/layout.h"
#include "spool/reserve_file.h"
#include "spool/result.h"
#include "spool/time.h"
#include "spool/writer.h"

namespace doagent::spool {

struct OwnedFile {
  std::unique_ptr<Writer> writer;
  // Why the file is a new one although there was one before. Empty: it is not.
  std::string replaced;
  // The copy of the log, with commits that SQLite does not find any more: their records are in
  // there alone, to be taken over before anything is written. Empty: there is none.
  std::filesystem::path log_aside;
};

// REQUIRES the lock, and no other connection of this process. kRefuse: not a spool, another role's,
// a newer version; left as it is. kEvict: the disk is full. kFatal, kRetry: what the file system
// refuses.
Result<OwnedFile> OpenOwned(const std::filesystem::path& path, Role role, WallTime now,
                            ReserveFile& reserve);

// Opens the file once more after something failed; what was written is then known to be on the
// disk. It is not looked through for a disk that failed once. REQUIRES as above.
Result<std::unique_ptr<Writer>> OpenAgain(const std::filesystem::path& path, Role role);

// What is wrong with a file of which Database::IsCutOff is true, for people.
inline constexpr const char* kCutOff = "another program has cut off the file or its log";

// For people: what was wrong, and where it is kept; an empty path: nowhere.
std::string WhyReplaced(const std::string& why, const std::filesystem::path& aside);

}  // namespace doagent::spool
