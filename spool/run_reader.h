// Reads both stages of a spool as one: records as rows and events, or sealed in blocks, in the
// order of their sequences. Belongs to its database's thread.
#pragma once

#include <optional>
#include <vector>

#include "spool/block_table.h"
#include "spool/ids.h"
#include "spool/layout.h"
#include "spool/ranges.h"
#include "spool/record_table.h"
#include "spool/result.h"
#include "spool/sqlite.h"
#include "spool/stored.h"

namespace doagent::spool {

// What is stored under consecutive sequences: some rows and events, or a part of one block.
struct StoredRun {
  // Of these sequences, what the run does not have is not stored. Of a block only the snapshots in
  // here are meant: before and behind them, rows and events may stand in its holes.
  SequenceRange covered;
  std::vector<StoredRecord> records;
  std::optional<StoredBlock> block;
};

struct BlockExtent {
  SequenceRange range;
  RangeSet sequences;  // at least the first
};

class RunReader {
 public:
  static Result<RunReader> Prepare(Database& database);

  // The first run from `first` on; nothing when there is no record up to `last`. The limits are
  // for rows and events; a block comes whole. One consistent look at the database.
  Result<std::optional<StoredRun>> Next(OriginNumber origin, Sequence first, Sequence last,
                                        const ReadLimits& limits);

  // The time of the first record from `first` on; of a block, that of its first. Nothing: there is
  // none.
  Result<std::optional<std::int64_t>> TimeAt(OriginNumber origin, Sequence first);

  // What goes with the block: it may be damaged, and what stands elsewhere is not its.
  Result<BlockExtent> ExtentOf(OriginNumber origin, const StoredBlock& block);

  // The sequences of all records of the origin.
  Result<RangeSet> Sequences(OriginNumber origin);

  RecordReader& records() { return records_; }
  BlockReader& blocks() { return blocks_; }

 private:
  RunReader(Database& database, RecordReader records, BlockReader blocks)
      : database_(&database), records_(std::move(records)), blocks_(std::move(blocks)) {}

  Database* database_;
  RecordReader records_;
  BlockReader blocks_;
};

}  // namespace doagent::spool
