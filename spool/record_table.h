// The records of a spool file, as bytes. Belongs to its database's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "spool/ids.h"
#include "spool/layout.h"
#include "spool/result.h"
#include "spool/sqlite.h"
#include "spool/stored.h"

namespace doagent::spool {

class RecordWriter {
 public:
  static Result<RecordWriter> Prepare(Database& database);

  // REQUIRES a write transaction, and no record at (origin, sequence).
  Result<void> Insert(OriginNumber origin, const StoredRecord& record,
                      std::optional<std::int64_t> key_number);
  // REQUIRES a write transaction.
  Result<void> Remove(OriginNumber origin, Sequence sequence);

 private:
  RecordWriter(Statement insert, Statement remove)
      : insert_(std::move(insert)), remove_(std::move(remove)) {}

  Statement insert_;
  Statement remove_;
};

// How much one read may bring.
struct ReadLimits {
  std::size_t bytes_max = 1 << 20;  // of payloads; one record is read in any case
  std::size_t records_max = 4096;
};

class RecordReader {
 public:
  static Result<RecordReader> Prepare(Database& database);

  // Records of one origin with first <= sequence <= last, ascending, up to the limits.
  Result<std::vector<StoredRecord>> Read(OriginNumber origin, Sequence first, Sequence last,
                                         const ReadLimits& limits);

  // The same records' sequences alone.
  Result<std::vector<Sequence>> Sequences(OriginNumber origin, Sequence first, Sequence last,
                                          std::size_t records_max);

 private:
  RecordReader(Statement select, Statement sequences)
      : select_(std::move(select)), sequences_(std::move(sequences)) {}

  Statement select_;
  Statement sequences_;
};

}  // namespace doagent::spool
