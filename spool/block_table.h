// The sealed blocks of a spool file. The ranges of an origin's blocks do not overlap. Belongs to
// its database's thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "spool/ids.h"
#include "spool/layout.h"
#include "spool/result.h"
#include "spool/sqlite.h"
#include "spool/stored.h"

namespace doagent::spool {

// The column `layouts`: ids one after the other. Bytes that are no id become a zero id, which makes
// the block's checksum fail, as it should.
std::vector<ObjectId> SplitIds(std::string_view joined);

// That a block may have such a range and such holes at all.
bool HasPossibleRange(const StoredBlock& block);

class BlockWriter {
 public:
  static Result<BlockWriter> Prepare(Database& database);

  // REQUIRES a write transaction, and no block of the origin that overlaps its range.
  Result<void> Insert(OriginNumber origin, const StoredBlock& block);
  // The block that begins with this sequence. REQUIRES a write transaction.
  Result<void> Remove(OriginNumber origin, Sequence first);

 private:
  BlockWriter(Statement insert, Statement remove)
      : insert_(std::move(insert)), remove_(std::move(remove)) {}

  Statement insert_;
  Statement remove_;
};

class BlockReader {
 public:
  static Result<BlockReader> Prepare(Database& database);

  // The lowest block whose range has something of first..last. Nothing: there is none. A block
  // with an impossible range comes as one of its first sequence alone: its checksum is wrong then.
  Result<std::optional<StoredBlock>> Find(OriginNumber origin, Sequence first, Sequence last);
  // The first sequence of the next block that begins behind `first`, up to `last`.
  Result<std::optional<Sequence>> FindNext(OriginNumber origin, Sequence first, Sequence last);
  // The same as Find without its payload.
  Result<std::optional<StoredBlock>> FindHead(OriginNumber origin, Sequence first, Sequence last);

 private:
  BlockReader(Statement select, Statement select_head, Statement next)
      : select_(std::move(select)), select_head_(std::move(select_head)), next_(std::move(next)) {}

  Statement select_;
  Statement select_head_;
  Statement next_;
};

}  // namespace doagent::spool
