// The writing connection of a spool: inserts records with their objects, keeps the ledger's totals,
// carries acknowledgements and requests along. Knows nothing of threads: its owner's mutex guards
// it. Every function but Open and Begin REQUIRES a write transaction.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "spool/block_table.h"
#include "spool/ids.h"
#include "spool/layout.h"
#include "spool/object_table.h"
#include "spool/range_table.h"
#include "spool/record_table.h"
#include "spool/result.h"
#include "spool/sqlite.h"
#include "spool/stored.h"

namespace doagent::spool {

class Writer {
 public:
  static Result<std::unique_ptr<Writer>> Open(const std::filesystem::path& path, Role role);

  Database& database() { return *database_; }
  ObjectTable& objects() { return objects_; }
  RecordWriter& records() { return records_; }
  BlockWriter& blocks() { return blocks_; }
  Result<Transaction> Begin() { return Transaction::Begin(*database_, Transaction::Kind::kWrite); }

  // The numbers of the objects, put where they are new; the last one's is returned.
  Result<std::int64_t> PutObjects(const std::vector<StoredObject>& objects);

  // key: the number of the record's key; nothing for events.
  Result<void> InsertRecord(OriginNumber origin, const StoredRecord& record,
                            std::optional<std::int64_t> key);

  // Adds to the totals of the ledger, which outlive the events that tell of it.
  Result<void> AddTotals(OriginNumber origin, EventKind kind, std::uint64_t events,
                         std::uint64_t records);

  // They become at least this: what the events say that are there.
  Result<void> RaiseTotals(OriginNumber origin, EventKind kind, std::uint64_t events,
                           std::uint64_t records);

  // A number that changes when another connection has changed the file: there may be requests.
  Result<std::int64_t> DataVersion();

 private:
  Writer(std::unique_ptr<Database> database, ObjectTable objects, ObjectWriter object_writer,
         RecordWriter records, BlockWriter blocks, Statement add_to_ledger, Statement data_version);

  // The event with what it counts.
  Result<void> AddToLedger(OriginNumber origin, const StoredRecord& event);

  std::unique_ptr<Database> database_;  // first: the statements below are its
  ObjectTable objects_;
  ObjectWriter object_writer_;
  RecordWriter records_;
  BlockWriter blocks_;
  Statement add_to_ledger_;
  Statement data_version_;
};

}  // namespace doagent::spool
