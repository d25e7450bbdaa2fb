// What happens when an agent opens its spool for writing: which origin it writes, under which
// incarnation, from which sequence on. Part of the Spool's implementation.
#pragma once

#include <vector>

#include "spool/ids.h"
#include "spool/layout.h"
#include "spool/origin_table.h"
#include "spool/result.h"
#include "spool/spool.h"
#include "spool/sqlite.h"

namespace doagent::spool {

struct Opening {
  OriginNumber current = 0;
  Incarnation incarnation = 0;
  Sequence next_sequence = 1;   // for the start event
  std::string reason;           // of the start event: how the last run ended
  std::string identity_change;  // why the spool id is a new one; empty: it is not
};

// Chooses or makes the current origin, gives it the machine's present names, and draws an
// incarnation. `why_new_id`: why there must be a new spool id; empty: there need not be. REQUIRES a
// write transaction that the start event will be in.
Result<Opening> BeginIncarnation(Database& database, const SpoolOptions& options,
                                 const std::string& why_new_id);

SpoolId RandomSpoolId(const std::function<std::uint64_t()>& random);

}  // namespace doagent::spool
