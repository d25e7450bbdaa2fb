// Rows of a wreck as what a spool stores. Pure.
#pragma once

#include <optional>

#include "spool/raw_rows.h"
#include "spool/stored.h"

namespace doagent::spool {

// Nothing: the row is another table's, or not what was written.
std::optional<StoredObject> IntactObject(const RawRow& row);
std::optional<StoredBlock> IntactBlock(const RawRow& row);

// A record without its key, so that a row's checksum cannot be checked yet. Nothing: the row is
// another table's, or impossible.
std::optional<StoredRecord> RecordOf(const RawRow& row);

// Whether its checksum alone shows that a spool wrote it: an object, a block or an event.
bool ProvesItself(const RawRow& row);

}  // namespace doagent::spool
