// Which sequences the ledger speaks for: what is not stored and is in here is no riddle.
#pragma once

#include <map>
#include <vector>

#include "spool/ids.h"
#include "spool/layout.h"
#include "spool/range_table.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "spool/run_reader.h"
#include "spool/sqlite.h"
#include "spool/stored.h"

namespace doagent::spool {

// What is told of one origin's absent sequences.
struct Explained {
  RangeSet whole;                     // ranges in which whatever is absent is explained
  std::vector<ThinnedRange> thinned;  // ascending, none overlapping another

  // Those of the absent sequences that nothing tells of. Where more of a thinned range is absent
  // than was taken from it, nobody knows any more which of them were: the newest count as not
  // explained.
  RangeSet Unexplained(RangeSet absent) const;
  // What is there again was not taken: no thinned range counts more than is absent of it.
  void KeepAbsent(RangeSet absent);
};

// By spool id: what retention removed, and what all events that tell of a loss say. Reads every
// record that is not in a block, in short read transactions.
Result<std::map<SpoolId, Explained>> LoadExplained(Database& database, RunReader& runs, Role role);

// Adds what the record, if it is an event that tells of a loss, says is not there: by the file's
// numbers of origins. `origin`: whose record it is. What cannot be read says nothing.
Result<void> AddTold(Database& database, OriginNumber origin, const StoredRecord& record,
                     std::map<OriginNumber, RangeSet>& told);

}  // namespace doagent::spool
