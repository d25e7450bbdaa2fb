// Origins and their incarnations in a spool file. Rarely touched: at opening, at a Hello, when an
// epoch begins. All functions belong to the database's thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spool/ids.h"
#include "spool/layout.h"
#include "spool/model.h"
#include "spool/result.h"
#include "spool/spool.h"
#include "spool/sqlite.h"

namespace doagent::spool {

struct OriginRow {
  OriginNumber number = 0;
  SpoolId spool_id;
  Sequence first_sequence = 1;  // its numbering begins here
  Host host;
  std::string principal;  // on a receiver: whose it is
  std::vector<IncarnationStart> incarnations;
};

// Begins the names under which meta says, in hexadecimal, which spool ids were removed by command.
inline constexpr std::string_view kRemovedMark = "forgotten:";

Result<std::vector<OriginRow>> LoadOrigins(Database& database);

// The number of the origin with this id, if there is one.
Result<std::optional<OriginNumber>> FindOrigin(Database& database, const SpoolId& spool_id);

// Inserts an origin (number 0: the next free one, which is returned) or updates all but its id; its
// incarnations are left alone. A number is never given twice. REQUIRES a write transaction.
Result<OriginNumber> PutOrigin(Database& database, const OriginRow& origin);

// Removes an origin, and remembers that it was. REQUIRES a write transaction, and that nothing of
// it is left anywhere.
Result<void> RemoveOrigin(Database& database, const OriginRow& origin);

// Whether an origin of this id was removed, and none came again.
Result<bool> WasRemoved(Database& database, const SpoolId& spool_id);

// That it was. REQUIRES a write transaction, and that there is no such origin.
Result<void> MarkRemoved(Database& database, const SpoolId& spool_id);

// Inserts or moves the beginning of an incarnation. REQUIRES a write transaction.
Result<void> PutIncarnation(Database& database, OriginNumber origin, const IncarnationStart& start);

// Moves everything that is known of an origin's sequences from `from` on to another origin:
// records, blocks, incarnations, delivered ranges, parked records. REQUIRES that no block has
// snapshots on both sides. The incarnation that `from` is in begins
// there in the new origin. REQUIRES a write transaction.
Result<void> MoveSequences(Database& database, const OriginRow& from_origin, OriginNumber to,
                           Sequence from);

// The last record's sequence; 0: none.
Result<Sequence> HeadOf(Database& database, OriginNumber origin);

// A name's value in the table of single facts; nothing where it is not set.
Result<std::optional<std::string>> LoadMeta(Database& database, const std::string& name);
Result<void> StoreMeta(Database& database, const std::string& name, std::string_view blob);
Result<std::optional<std::int64_t>> LoadMetaInteger(Database& database, const std::string& name);
Result<void> StoreMetaInteger(Database& database, const std::string& name, std::int64_t value);

}  // namespace doagent::spool
