// From what is stored to what it means: checksum, objects, content. Errors are kPark where
// the stored bytes are not what was written, or mean nothing; else they are the database's. Belongs
// to its database's thread.
#pragma once

#include "spool/block_codec.h"
#include "spool/catalog.h"
#include "spool/object_table.h"
#include "spool/record_codec.h"
#include "spool/result.h"
#include "spool/stored.h"

namespace doagent::spool {

class RecordDecoder {
 public:
  explicit RecordDecoder(ObjectTable& objects) : catalog_(objects) {}

  // REQUIRES a row.
  Result<NumberedSnapshot> Row(const StoredRecord& record);
  // REQUIRES an event.
  static Result<DecodedEvent> Event(const StoredRecord& record);
  Result<DecodedBlock> Block(const StoredBlock& block);

  Catalog& catalog() { return catalog_; }

 private:
  Catalog catalog_;
};

}  // namespace doagent::spool
