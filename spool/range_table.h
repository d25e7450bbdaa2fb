// Range sets in tables: what receivers acknowledged, what a receiver stored, what is parked, what
// was removed. All functions belong to the database's thread. Loading fails with kSalvage where a
// range is impossible.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "spool/ids.h"
#include "spool/layout.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "spool/sqlite.h"

namespace doagent::spool {

using ReceiverNumber = std::int64_t;

using RangesByPair = std::map<std::pair<OriginNumber, std::int64_t>, RangeSet>;

// (origin, receiver) -> what that receiver acknowledged.
Result<RangesByPair> LoadDelivered(Database& database);

// Makes the table agree with `all` wherever it and `changed` touch: few rows, however long the
// ranges are. REQUIRES a write transaction, and changed within all.
Result<void> WriteDelivered(Database& database, OriginNumber origin, ReceiverNumber receiver,
                            const RangeSet& all, const RangeSet& changed);
// Replaces all that is known of (origin, receiver). REQUIRES a write transaction.
Result<void> ReplaceDelivered(Database& database, OriginNumber origin, ReceiverNumber receiver,
                              const RangeSet& all);

// What retention does, or did, to records. The numbers are stored; they never change their meaning.
enum class RemovalKind : std::uint8_t {
  kExpired,  // old enough, and delivered
  kEvicted,  // for want of space
  kThinned,  // the same, and a part of its block stays
  kLost,     // damaged, or never stored, where no event says so, or none does any more
};

inline constexpr std::array<RemovalKind, 4> kRemovalKinds = {
    RemovalKind::kExpired, RemovalKind::kEvicted, RemovalKind::kThinned, RemovalKind::kLost};
// Those that leave nothing of a range.
inline constexpr std::array<RemovalKind, 3> kWholeRemovalKinds = {
    RemovalKind::kExpired, RemovalKind::kEvicted, RemovalKind::kLost};

// (origin, kind of removal) -> what was removed; of these ranges, some may still be stored.
Result<RangesByPair> LoadRemoved(Database& database);
// Adds to them. REQUIRES a write transaction, and that the kind is not kThinned.
Result<void> AddRemoved(Database& database, OriginNumber origin, RemovalKind kind,
                        const RangeSet& ranges);

// A block's range of which only a part is gone.
struct ThinnedRange {
  SequenceRange range;
  std::uint64_t records = 0;  // that are gone

  friend bool operator==(const ThinnedRange&, const ThinnedRange&) = default;
};

// Ascending, none overlapping another.
Result<std::map<OriginNumber, std::vector<ThinnedRange>>> LoadThinned(Database& database);
// Adds one; those that it overlaps become one with it. REQUIRES a write transaction.
Result<void> AddThinned(Database& database, OriginNumber origin, ThinnedRange thinned);
// Whether one overlaps the range.
Result<bool> IsThinned(Database& database, OriginNumber origin, SequenceRange range);
// All of an origin's. REQUIRES a write transaction.
Result<void> ReplaceThinned(Database& database, OriginNumber origin,
                            const std::vector<ThinnedRange>& thinned);
// Makes two of the one that lies across the border; the second begins with `at`. `there`: what is
// stored of the origin. REQUIRES a write transaction.
Result<void> CutThinned(Database& database, OriginNumber origin, Sequence at,
                        const RangeSet& there);
// Takes out those that overlap the range. Returns the range that all of them span with it, and what
// they have together. REQUIRES a write transaction.
Result<ThinnedRange> TakeThinned(Database& database, OriginNumber origin, SequenceRange range);

// The receiver's number in this file, given now if it had none. REQUIRES a write transaction.
Result<ReceiverNumber> PutReceiver(Database& database, const ReceiverId& receiver);
Result<std::map<ReceiverId, ReceiverNumber>> LoadReceivers(Database& database);

// On a receiver: origin -> what was ever stored of it. Outlives the records themselves.
Result<std::map<OriginNumber, RangeSet>> LoadStored(Database& database);
// As WriteDelivered.
Result<void> WriteStored(Database& database, OriginNumber origin, const RangeSet& all,
                         const RangeSet& changed);

Result<std::map<OriginNumber, RangeSet>> LoadParked(Database& database);

}  // namespace doagent::spool
