#include "spool/column_codec.h"

#include <algorithm>
#include <bit>

#include "spool/check.h"

namespace doagent::spool {
namespace {

tl::unexpected<Error> Malformed(const char* what) {
  return Fail(ErrorCode::kPark, "block", what);
}

// Of the varint that holds the delta, zigzag-coded; 64 bits are ten bytes.
std::size_t BytesOf(std::uint64_t delta) {
  const auto as_signed = static_cast<std::int64_t>(delta);
  const std::uint64_t zigzag = delta << 1 ^ static_cast<std::uint64_t>(as_signed >> 63);
  return (static_cast<std::size_t>(std::bit_width(zigzag | 1)) * 9 + 64) / 64;
}

// What the codings would cost before compression; which is a good guide to what they cost after.
struct Costs {
  std::size_t delta = 0;
  std::size_t delta_of_delta = 0;
  std::size_t sparse = 1;
  std::size_t changes = 0;  // deltas that are not 0
  bool linear = true;
};

Costs CostsOf(std::span<const std::uint64_t> values) {
  Costs costs;
  const std::uint64_t first_delta = values[1] - values[0];
  std::uint64_t before = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const std::uint64_t delta = values[i] - values[i - 1];
    const std::size_t bytes = BytesOf(delta);
    costs.delta += bytes;
    costs.delta_of_delta += BytesOf(delta - before);
    if (delta != 0) {
      ++costs.changes;
      costs.sparse += bytes + 1;
    }
    costs.linear = costs.linear && delta == first_delta;
    before = delta;
  }
  return costs;
}

v1::Coding Cheapest(std::span<const std::uint64_t> values) {
  if (std::all_of(values.begin(), values.end(),
                  [first = values[0]](std::uint64_t value) { return value == first; })) {
    return v1::CODING_CONSTANT;
  }
  const Costs costs = CostsOf(values);
  if (costs.linear) return v1::CODING_LINEAR;
  const bool mostly_still = costs.changes * 2 < values.size() - 1;
  const std::size_t best = std::min(costs.delta, costs.delta_of_delta);
  if (mostly_still && costs.sparse < best) return v1::CODING_SPARSE;
  return costs.delta_of_delta < costs.delta ? v1::CODING_DELTA_OF_DELTA : v1::CODING_DELTA;
}

void AddInteger(std::uint64_t value, v1::Block& block) {
  block.add_integers(static_cast<std::int64_t>(value));
}

void AddDeltas(std::span<const std::uint64_t> values, v1::Block& block) {
  auto& out = *block.mutable_integers();
  out.Reserve(out.size() + static_cast<int>(values.size()));
  for (std::size_t i = 1; i < values.size(); ++i) {
    out.AddAlreadyReserved(static_cast<std::int64_t>(values[i] - values[i - 1]));
  }
}

void AddDeltasOfDeltas(std::span<const std::uint64_t> values, v1::Block& block) {
  auto& out = *block.mutable_integers();
  out.Reserve(out.size() + static_cast<int>(values.size()));
  std::uint64_t before = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const std::uint64_t delta = values[i] - values[i - 1];
    out.AddAlreadyReserved(static_cast<std::int64_t>(delta - before));
    before = delta;
  }
}

void AddSparse(std::span<const std::uint64_t> values, v1::Block& block) {
  const int count_at = block.integers_size();
  block.add_integers(0);
  std::size_t last = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i] == values[i - 1]) continue;
    block.add_positions(static_cast<std::uint32_t>(i - last));
    AddInteger(values[i] - values[i - 1], block);
    last = i;
  }
  block.set_integers(count_at, block.integers_size() - count_at - 1);
}

v1::Coding EncodeDoubles(std::span<const std::uint64_t> values, v1::Block& block) {
  block.add_doubles(values[0]);
  if (std::all_of(values.begin(), values.end(),
                  [first = values[0]](std::uint64_t value) { return value == first; })) {
    return v1::CODING_CONSTANT;
  }
  for (std::size_t i = 1; i < values.size(); ++i) block.add_doubles(values[i] ^ values[i - 1]);
  return v1::CODING_XOR;
}

}  // namespace

v1::Coding EncodeColumn(std::span<const std::uint64_t> values, ValueKind kind, v1::Block& block) {
  DOAGENT_CHECK(!values.empty() && kind != ValueKind::kConstant);
  if (kind == ValueKind::kDouble) return EncodeDoubles(values, block);
  const v1::Coding coding = Cheapest(values);
  AddInteger(values[0], block);
  switch (coding) {
    case v1::CODING_LINEAR: AddInteger(values[1] - values[0], block); break;
    case v1::CODING_DELTA: AddDeltas(values, block); break;
    case v1::CODING_DELTA_OF_DELTA: AddDeltasOfDeltas(values, block); break;
    case v1::CODING_SPARSE: AddSparse(values, block); break;
    default: break;  // a constant is its first value
  }
  return coding;
}

const std::int64_t* ColumnReader::Integers(std::size_t count) {
  const auto left = static_cast<std::size_t>(block_.integers_size() - integers_);
  if (count > left) return nullptr;
  const std::int64_t* taken = block_.integers().data() + integers_;
  integers_ += static_cast<int>(count);
  return taken;
}

Result<std::size_t> ColumnReader::TakePresence(std::span<std::uint8_t> present) {
  std::size_t done = 0;
  std::size_t count = 0;
  for (std::uint8_t flag = 1; done < present.size(); flag ^= 1) {
    if (positions_ >= block_.positions_size()) return Malformed("has too few runs");
    const std::size_t run = block_.positions(positions_++);
    // Only the first may be empty: the column begins absent.
    if (run > present.size() - done || (run == 0 && done > 0) || (run == 0 && flag == 0)) {
      return Malformed("has an impossible run");
    }
    std::fill_n(present.begin() + static_cast<std::ptrdiff_t>(done), run, flag);
    count += flag * run;
    done += run;
  }
  return count;
}

Result<void> ColumnReader::TakeValues(v1::Coding coding, ValueKind kind,
                                      std::span<std::uint64_t> out) {
  DOAGENT_CHECK(!out.empty() && kind != ValueKind::kConstant);
  return kind == ValueKind::kDouble ? TakeDoubles(coding, out) : TakeIntegers(coding, out);
}

Result<void> ColumnReader::TakeIntegers(v1::Coding coding, std::span<std::uint64_t> out) {
  if (coding == v1::CODING_SPARSE) return TakeSparse(out);
  const bool whole = coding == v1::CODING_DELTA || coding == v1::CODING_DELTA_OF_DELTA;
  const std::int64_t* in = Integers(whole                         ? out.size()
                                    : coding == v1::CODING_LINEAR ? std::size_t{2}
                                                                  : std::size_t{1});
  if (in == nullptr) return Malformed("has too few integers");
  auto value = static_cast<std::uint64_t>(in[0]);
  out[0] = value;
  switch (coding) {
    case v1::CODING_CONSTANT: std::fill(out.begin(), out.end(), value); return {};
    case v1::CODING_LINEAR:
      for (std::size_t i = 1; i < out.size(); ++i) {
        out[i] = value += static_cast<std::uint64_t>(in[1]);
      }
      return {};
    case v1::CODING_DELTA:
      for (std::size_t i = 1; i < out.size(); ++i) {
        out[i] = value += static_cast<std::uint64_t>(in[i]);
      }
      return {};
    case v1::CODING_DELTA_OF_DELTA: {
      std::uint64_t delta = 0;
      for (std::size_t i = 1; i < out.size(); ++i) {
        delta += static_cast<std::uint64_t>(in[i]);
        out[i] = value += delta;
      }
      return {};
    }
    default: return Malformed("has a coding that integers have not");
  }
}

Result<void> ColumnReader::TakeSparse(std::span<std::uint64_t> out) {
  const std::int64_t* in = Integers(2);
  if (in == nullptr) return Malformed("has too few integers");
  auto value = static_cast<std::uint64_t>(in[0]);
  const auto changes = static_cast<std::uint64_t>(in[1]);
  const auto positions_left = static_cast<std::size_t>(block_.positions_size() - positions_);
  const std::int64_t* deltas = changes < out.size() ? Integers(changes) : nullptr;
  if (deltas == nullptr || changes > positions_left) return Malformed("has too few changes");
  auto done = out.begin();
  std::size_t at = 0;
  for (std::size_t change = 0; change < changes; ++change) {
    const std::size_t distance = block_.positions(positions_++);
    if (distance == 0 || distance >= out.size() - at) return Malformed("changes behind its end");
    at += distance;
    const auto until = out.begin() + static_cast<std::ptrdiff_t>(at);
    std::fill(done, until, value);
    done = until;
    value += static_cast<std::uint64_t>(deltas[change]);
  }
  std::fill(done, out.end(), value);
  return {};
}

Result<void> ColumnReader::TakeDoubles(v1::Coding coding, std::span<std::uint64_t> out) {
  if (coding != v1::CODING_CONSTANT && coding != v1::CODING_XOR) {
    return Malformed("has a coding that doubles have not");
  }
  const std::size_t count = coding == v1::CODING_XOR ? out.size() : 1;
  if (count > static_cast<std::size_t>(block_.doubles_size() - doubles_)) {
    return Malformed("has too few doubles");
  }
  std::uint64_t value = block_.doubles(doubles_);
  std::fill(out.begin(), out.end(), value);
  for (std::size_t i = 1; i < count; ++i) {
    out[i] = value ^= block_.doubles(doubles_ + static_cast<int>(i));
  }
  doubles_ += static_cast<int>(count);
  return {};
}

bool ColumnReader::AllTaken() const {
  return positions_ == block_.positions_size() && integers_ == block_.integers_size() &&
         doubles_ == block_.doubles_size();
}

}  // namespace doagent::spool
