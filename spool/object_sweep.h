// Removes objects that nothing names any more: keys without rows, layouts without keys and blocks,
// schemas without layouts.
#pragma once

#include <cstdint>
#include <optional>

#include "spool/object_table.h"
#include "spool/result.h"
#include "spool/sqlite.h"

namespace doagent::spool {

// Looks at every record and block: not for every day. `key` is kept with what it names although no
// row names it now. REQUIRES a write transaction.
Result<void> SweepObjects(Database& database, ObjectTable& objects,
                          std::optional<std::int64_t> key);

}  // namespace doagent::spool
