// Turns runs of rows into sealed blocks, in short transactions. A block is read back, decoded and
// compared before its rows go, in the same transaction.
//
// Works on the writing connection: whoever holds that calls it. Not thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "spool/block_codec.h"
#include "spool/layout_finder.h"
#include "spool/ranges.h"
#include "spool/record_decoder.h"
#include "spool/run_reader.h"
#include "spool/writer.h"

namespace doagent::spool {

class Sealer {
 public:
  static Result<std::unique_ptr<Sealer>> Prepare(Writer& writer);

  struct Sealed {
    SequenceRange range;
    std::size_t snapshots = 0;
  };
  struct Wanted {
    std::size_t snapshots = 0;  // a run of so many is sealed
    bool even_shorter = false;
  };
  // Seals the origin's first run of rows from `from` on, if it is as long as is wanted, or cut off
  // by something that no block spans. Nothing: it is not, or there is none. A run never spans
  // sequences that are not in `complete`: these may still come. Damaged rows stay where they are.
  Result<std::optional<Sealed>> SealNext(OriginNumber origin, const RangeSet& complete,
                                         Sequence from, const Wanted& wanted);

  // Makes two blocks of the one that has snapshots on both sides of the border, if there is one;
  // the second begins with the sequence `at` or behind it. REQUIRES a write transaction.
  Result<void> SplitAt(OriginNumber origin, Sequence at);

  // Makes the block that begins with `first` anew, without these sequences. REQUIRES a write
  // transaction, and that some are left.
  Result<void> Thin(OriginNumber origin, Sequence first, const RangeSet& sequences);

  // Puts a block that came from elsewhere. Rows that it has go; where its range overlaps blocks
  // that are there, all of them become blocks anew. REQUIRES a write transaction, the block's
  // layouts among the objects, and that what both have is the same. kPark: one of those that are
  // there is damaged; nothing is changed.
  Result<void> Merge(OriginNumber origin, const StoredBlock& block, const DecodedBlock& decoded);

 private:
  struct Run {
    std::vector<NumberedSnapshot> snapshots;
    bool ended = false;  // something follows that does not belong to it
  };

  Sealer(Writer& writer, RunReader reader)
      : writer_(writer), reader_(std::move(reader)), decoder_(writer.objects()) {}

  Result<Run> FirstRun(OriginNumber origin, const RangeSet& complete, Sequence from,
                       std::size_t snapshots_max);
  Result<void> Insert(OriginNumber origin, std::span<const NumberedSnapshot> snapshots);
  Result<void> Verify(OriginNumber origin, const StoredBlock& block,
                      std::span<const NumberedSnapshot> snapshots);

  Writer& writer_;
  RunReader reader_;
  RecordDecoder decoder_;
  LayoutFinder layouts_;
};

}  // namespace doagent::spool
