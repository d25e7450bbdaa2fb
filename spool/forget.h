// Removes an origin with everything of it, by command: a machine that is decommissioned. In steps,
// so that its owner goes on storing meanwhile. What is left is a total in the ledger, under the
// origin number 0. Works on the writing connection.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "spool/origin_table.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "spool/run_reader.h"
#include "spool/writer.h"

namespace doagent::spool {

// An origin that is gone.
struct Forgotten {
  OriginRow origin;
  std::uint64_t records = 0;
};

class Forgetter {
 public:
  static Result<std::unique_ptr<Forgetter>> Prepare(Writer& writer);

  // The origins that a tool asked for, and that are there.
  Result<std::vector<OriginRow>> Wanted();

  // Removes some of its records. Nothing: there are more. Else the origin itself is gone, too, with
  // the request. REQUIRES a write transaction.
  Result<std::optional<Forgotten>> Step(const OriginRow& origin);

 private:
  Forgetter(Writer& writer, RunReader runs) : writer_(writer), runs_(std::move(runs)) {}

  Result<void> RemoveRest(const OriginRow& origin);

  Writer& writer_;
  RunReader runs_;
};

// The request table's words for it.
inline constexpr const char* kForgetRequest = "forget";

}  // namespace doagent::spool
