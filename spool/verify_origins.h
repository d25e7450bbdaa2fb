// Goes through the origins of a spool: those of the table, and those that only records or blocks
// know.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "spool/layout.h"
#include "spool/result.h"
#include "spool/sqlite.h"
#include "spool/verify_context.h"

namespace doagent::spool {

class OriginWalk {
 public:
  // REQUIRES that the context outlives it.
  static Result<OriginWalk> Prepare(const VerifyContext& context);

  // The next one, in the order of their numbers; what is known of it goes into the summary. What is
  // wrong with it is found. Nothing: that was the last.
  Result<std::optional<VerifiedOrigin>> Next(OriginSummary& summary);

 private:
  OriginWalk(const VerifyContext& context, Statement next, Statement next_record,
             Statement next_block, Statement select, Statement ledger, Statement removed)
      : context_(context),
        next_(std::move(next)),
        next_record_(std::move(next_record)),
        next_block_(std::move(next_block)),
        select_(std::move(select)),
        ledger_(std::move(ledger)),
        removed_(std::move(removed)) {}

  Result<std::optional<OriginNumber>> NextNumber();
  // What the table says of the origin.
  Result<void> Load(VerifiedOrigin& origin, OriginSummary& summary);
  void ExamineRow(VerifiedOrigin& origin, OriginSummary& summary);
  Result<void> LoadLosses(const VerifiedOrigin& origin, OriginSummary& summary);
  Result<Sequence> Head(OriginNumber origin);

  const VerifyContext& context_;
  Statement next_;
  Statement next_record_;
  Statement next_block_;
  Statement select_;
  Statement ledger_;
  Statement removed_;
  OriginNumber done_ = std::numeric_limits<OriginNumber>::min();
};

}  // namespace doagent::spool
