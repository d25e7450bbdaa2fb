// The events of an origin, one after the other.
#pragma once

#include <functional>
#include <optional>

#include "spool/layout.h"
#include "spool/model.h"
#include "spool/result.h"
#include "spool/run_reader.h"
#include "spool/stored.h"

namespace doagent::spool {

// Nothing: it is none, or it is damaged.
std::optional<Event> IntactEvent(const StoredRecord& record);

// Visits those that are intact, in their order. Reads every record that is not in a block, in short
// read transactions unless there is one.
Result<void> VisitEvents(RunReader& runs, OriginNumber origin,
                         const std::function<void(const Event&)>& visit);

}  // namespace doagent::spool
