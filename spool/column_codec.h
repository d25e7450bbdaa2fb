// One series' values in a block, by the cheapest of several codings (docs/spool-format.md,
// "Blocks"). Part of the block's codec; decoding takes untrusted bytes.
#pragma once

#include <cstdint>
#include <span>

#include "doagent/v1/storage.pb.h"
#include "spool/model.h"
#include "spool/result.h"

namespace doagent::spool {

// Adds the present values of a column to the block's streams, and says how they stand there.
// REQUIRES at least one value, and a kind that has values.
v1::Coding EncodeColumn(std::span<const std::uint64_t> values, ValueKind kind, v1::Block& block);

// Takes the columns out of a block's streams, one after the other. Errors are kPark.
class ColumnReader {
 public:
  explicit ColumnReader(const v1::Block& block) : block_(block) {}

  // Fills in 1 for present, 0 for absent, and says how many are present.
  Result<std::size_t> TakePresence(std::span<std::uint8_t> present);
  // As many values as `out` has; at least one.
  Result<void> TakeValues(v1::Coding coding, ValueKind kind, std::span<std::uint64_t> out);

  // Nothing is left over.
  bool AllTaken() const;

 private:
  Result<void> TakeIntegers(v1::Coding coding, std::span<std::uint64_t> out);
  Result<void> TakeSparse(std::span<std::uint64_t> out);
  Result<void> TakeDoubles(v1::Coding coding, std::span<std::uint64_t> out);
  // The next `count` integers; null: there are fewer.
  const std::int64_t* Integers(std::size_t count);

  const v1::Block& block_;
  int positions_ = 0;
  int integers_ = 0;
  int doubles_ = 0;
};

}  // namespace doagent::spool
