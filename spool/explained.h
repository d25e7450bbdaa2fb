// Which sequences the ledger speaks for: what is not stored and is in here is no riddle.
#pragma once

#include <map>

#include "spool/ids.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "spool/run_reader.h"
#include "spool/sqlite.h"

namespace doagent::spool {

// By spool id: what retention removed, and the ranges of all events. Reads every record that is not
// in a block, in short read transactions.
Result<std::map<SpoolId, RangeSet>> LoadExplained(Database& database, RunReader& runs);

}  // namespace doagent::spool
