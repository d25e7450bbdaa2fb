// What the tables of a spool say of one sequence, asked as it is needed: nothing is kept, however
// many ranges there are, and all answers within one read transaction fit together. For whoever
// checks; the owner keeps what it knows. Belongs to its database's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "spool/ids.h"
#include "spool/layout.h"
#include "spool/range_table.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "spool/sqlite.h"

namespace doagent::spool {

// "expired", "evicted", "thinned", "damaged".
std::string_view Name(RemovalKind kind);

class SequenceFacts {
 public:
  using Kinds = std::span<const RemovalKind>;

  static Result<SequenceFacts> Prepare(Database& database);

  Result<bool> Known(OriginNumber origin);
  // Who wrote the sequence; 0: it lies before the first incarnation.
  Result<Incarnation> IncarnationAt(OriginNumber origin, Sequence sequence);
  // Whether an incarnation begins within the range, its first sequence apart.
  Result<bool> IncarnationBeginsIn(OriginNumber origin, SequenceRange range);
  // The first sequence of the range that was never stored by this receiver; nothing: all were.
  Result<std::optional<Sequence>> NeverStored(OriginNumber origin, SequenceRange range);
  // The first part of the range that retention took nothing from, in one of these ways.
  Result<std::optional<SequenceRange>> NotRemoved(OriginNumber origin, SequenceRange range,
                                                  Kinds kinds = kRemovalKinds);

 private:
  SequenceFacts(Statement known, Statement incarnation, Statement incarnations, Statement stored,
                Statement removed, Statement removed_later);

  // The last sequence that is removed without a break from this one on; nothing: it is not removed.
  Result<std::optional<Sequence>> RemovedThrough(OriginNumber origin, Sequence sequence,
                                                 Kinds kinds);
  // Where the next removed range begins behind the sequence.
  Result<std::optional<Sequence>> NextRemoved(OriginNumber origin, Sequence sequence, Kinds kinds);

  Statement known_;
  Statement incarnation_;
  Statement incarnations_;
  Statement stored_;
  Statement removed_;
  Statement removed_later_;
};

}  // namespace doagent::spool
