// Verifies the tables of ranges: each range possible, none within another, all of known origins.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "spool/result.h"
#include "spool/sequence_facts.h"
#include "spool/sqlite.h"
#include "spool/verify_context.h"

namespace doagent::spool {

// A table with the columns origin, `second` (unless empty), first and last.
struct RangeTable {
  std::string name;
  std::string second;
  bool of_kinds = false;    // `second` is a RemovalKind
  bool of_written = false;  // only of sequences that were used
};

inline RangeTable DeliveredTable(bool receiver) {
  return {"delivered", "receiver", false, !receiver};
}
inline RangeTable StoredTable() {
  return {"stored", "", false, false};
}
inline RangeTable RemovedTable() {
  return {"removed", "kind", true, false};
}

class RangeVerifier {
 public:
  // REQUIRES that what it is given outlives it.
  static Result<RangeVerifier> Prepare(const VerifyContext& context, SequenceFacts& facts,
                                       RangeTable table);

  Result<void> Verify();

 private:
  struct Row {
    OriginNumber origin = 0;
    std::int64_t second = 0;
    std::int64_t first = 0;
    std::int64_t last = 0;
  };

  RangeVerifier(const VerifyContext& context, SequenceFacts& facts, RangeTable table,
                Statement select, Statement written)
      : context_(context),
        facts_(facts),
        table_(std::move(table)),
        select_(std::move(select)),
        written_(std::move(written)) {}

  std::string PlaceOf(const Row& row) const;
  Result<void> Examine(const Row& row, const std::optional<Row>& before);
  Result<void> ExamineOrigin(const Row& row);
  // Up to where the origin's sequences were ever used, as far as records and removals tell.
  Result<std::int64_t> Written(OriginNumber origin);

  const VerifyContext& context_;
  SequenceFacts& facts_;
  RangeTable table_;
  Statement select_;
  Statement written_;
  std::optional<OriginNumber> seen_;  // the origin that was looked at last
  std::int64_t written_last_ = 0;
};

Result<Statement> PrepareParked(Database& database);
// That what is parked belongs to a known origin. REQUIRES PrepareParked's statement.
Result<void> VerifyParked(const VerifyContext& context, SequenceFacts& facts, Statement& select);

}  // namespace doagent::spool
