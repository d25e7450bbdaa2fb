// Verifies what SQLite itself keeps: its pages, table by table, and that all tables are there.
#pragma once

#include "spool/result.h"
#include "spool/verify_context.h"

namespace doagent::spool {

// kSalvage: SQLite cannot tell what tables there are, so nothing else can be read.
Result<void> VerifyStructure(const VerifyContext& context);

}  // namespace doagent::spool
