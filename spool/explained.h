// Which sequences the ledger speaks for: what is not stored and is in here is no riddle.
#pragma once

#include <map>

#include "spool/ids.h"
#include "spool/layout.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "spool/run_reader.h"
#include "spool/sqlite.h"
#include "spool/stored.h"

namespace doagent::spool {

// By spool id: what retention removed, and the ranges of all events that tell
// of a loss. Reads every record that is not
// in a block, in short read transactions.
Result<std::map<SpoolId, RangeSet>> LoadExplained(Database& database, RunReader& runs);

// Adds what the record, if it is an event that tells of a loss, says is not there: by the file's
// numbers of origins. `origin`: whose record it is. What cannot be read says nothing.
Result<void> AddTold(Database& database, OriginNumber origin, const StoredRecord& record,
                     std::map<OriginNumber, RangeSet>& told);

}  // namespace doagent::spool
