// Reads a table in the order of its ids, past what SQLite cannot read: a damaged page costs the
// rows on it, not those behind it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "spool/result.h"
#include "spool/sqlite.h"

namespace doagent::spool {

// False: enough for now.
using RowVisitor = std::function<Result<bool>(const Statement& row)>;
// None of the rows with these ids (both included) can be read, if there are any.
using UnreadableVisitor =
    std::function<void(std::int64_t first, std::int64_t last, const Error& error)>;

// REQUIRES a statement with two parameters, the first and the last id (both included), that gives
// rows in the order of their ids, which are column 0. Returns the id to go on from; nothing: all
// was visited. Errors are those of the file system, and the visitor's.
Result<std::optional<std::int64_t>> ReadPastDamage(Statement& select, std::int64_t first,
                                                   std::int64_t last, const RowVisitor& visit,
                                                   const UnreadableVisitor& unreadable);

}  // namespace doagent::spool
