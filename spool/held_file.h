// The files of a spool as its owner opened them, held by descriptors of our own: to notice that
// their names are gone or lead to other files, and to read them all the same. Not thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spool/descriptor.h"
#include "spool/result.h"
#include "spool/sqlite.h"
#include "spool/time.h"
#include "spool/wreck.h"

namespace doagent::spool {

// A file that has no name in the file system any more.
struct Vanished {
  std::string name;  // of no other; of the file that it becomes, where it becomes one
  WallTime noticed;
  std::shared_ptr<const Wreck> wreck;
};

// Of a file that is not at its path any more, or not what it was a moment ago: kRetry.
tl::unexpected<Error> GoneWhileOpened(const std::filesystem::path& path);

// Whether what keeps an owner from its path may stay there, and a kill would lose what vanished.
bool MayStay(const Error& error);
// Gives them names again, under which the next opening finds them (CopyAside): these. Those that
// have one are taken from the list.
Result<std::vector<std::filesystem::path>> KeepVanished(const std::filesystem::path& spool,
                                                        std::vector<Vanished>& vanished);

// Closing a descriptor gives up the locks that SQLite has on the same file: an owner's connections
// are closed before, and what is held already is not opened again.
class HeldFile {
 public:
  explicit HeldFile(std::filesystem::path path);

  // What is at the path now. Without a descriptor left for it, nothing is held.
  void Hold();
  // The same for what was opened a moment ago. kRetry: it has been removed, replaced or cut off
  // meanwhile, and nobody would notice any more.
  Result<void> Hold(Database& database);
  // The files were renamed: nothing is at the path.
  void Release();

  bool holds() const { return database_.valid(); }
  bool IsAtPath() const { return database_.IsAt(path_); }
  // Held, and not at the path any more.
  bool IsGone() const { return database_.valid() && database_.IsGoneFrom(path_); }
  bool LogIsGone() const { return log_.IsGoneFrom(log_path_); }

  // Gives away what is held, to be taken over; removes a log that it left at the path, which SQLite
  // would apply to whatever database stands there. Nothing: it cannot be read. REQUIRES IsGone, and
  // no connection to it.
  std::optional<Vanished> TakeVanished(WallTime now);

 private:
  const std::filesystem::path path_;
  const std::filesystem::path log_path_;
  Descriptor database_;
  Descriptor log_;
  int vanished_ = 0;  // so far
};

}  // namespace doagent::spool
