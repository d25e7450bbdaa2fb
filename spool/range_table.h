// Range sets in tables: what receivers acknowledged, what a receiver stored, what is parked, what
// was removed. All functions belong to the database's thread. Loading fails with kSalvage where a
// range is impossible.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

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

// (origin, kind of removal) -> what was removed; of these ranges, some may still be stored.
Result<RangesByPair> LoadRemoved(Database& database);
// Adds to them. REQUIRES a write transaction.
Result<void> AddRemoved(Database& database, OriginNumber origin, std::int64_t kind,
                        const RangeSet& ranges);

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
