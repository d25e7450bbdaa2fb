// The tables of a spool file, how it is opened, and how record ids are packed
// (docs/spool-format.md, "Tables").
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "spool/ids.h"
#include "spool/result.h"
#include "spool/sqlite.h"

namespace doagent::spool {

inline constexpr std::int64_t kApplicationId = 0x646f6167;  // "doag"
inline constexpr std::int64_t kFormatVersion = 4;

// A small number for an origin, local to one file.
using OriginNumber = std::int64_t;

// One integer orders records by origin, then sequence, so that a range of one origin is contiguous
// and records move to another origin in one UPDATE.
inline constexpr int kSequenceBits = 40;

inline std::int64_t PackId(OriginNumber origin, Sequence sequence) {
  return origin << kSequenceBits | static_cast<std::int64_t>(sequence);
}
inline OriginNumber OriginOf(std::int64_t id) {
  return id >> kSequenceBits;
}
inline Sequence SequenceOf(std::int64_t id) {
  return static_cast<Sequence>(id) & ((Sequence{1} << kSequenceBits) - 1);
}

// Whose file it is.
enum class Role { kAgent, kReceiver };

// What the log comes to between two checkpoints: 1000 frames of a page and 24 bytes, and the
// transaction that reaches this number. One that got larger is cut when it starts anew.
inline constexpr std::size_t kLogBytes = 1200 << 10;

// Opens a spool for its one writer; REQUIRES the lock. Creates file and tables when there are none
// (mode 0600). kRefuse: not a regular file, not a spool, another role's, a newer version. kSalvage:
// it is damaged; nothing in the files was changed. Closing it leaves the log (Database).
Result<std::unique_ptr<Database>> OpenForWriting(const std::filesystem::path& path, Role role);

// Gives the log the size that it comes to between two checkpoints, as far as there is space.
Result<void> SetLogSize(Database& database);

// Empties the log, so that nothing is left behind its end, and gives it that size. Where a reader
// or a full disk is in the way, it stays as it is.
Result<void> StartLogAnew(Database& database);

// A second connection to a spool that this process has opened for writing, or one to another's:
// read-only.
Result<std::unique_ptr<Database>> OpenForReading(const std::filesystem::path& path);

// A connection that may write beside the owner, for the request table alone.
Result<std::unique_ptr<Database>> OpenForRequests(const std::filesystem::path& path);

Result<Role> RoleOf(Database& database);

}  // namespace doagent::spool
