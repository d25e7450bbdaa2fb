#include "spool/run_reader.h"

#include <algorithm>
#include <string>
#include <utility>

namespace doagent::spool {
namespace {

constexpr std::size_t kSequencesPerRead = 16384;

// The lowest of the block's snapshots within first..last.
std::optional<Sequence> FirstWithin(const StoredBlock& block, Sequence first, Sequence last) {
  const auto parts = SequencesOf(block).Within({first, last});
  if (parts.empty()) return std::nullopt;
  return parts.front().first;
}

}  // namespace

Result<RunReader> RunReader::Prepare(Database& database) {
  DOAGENT_ASSIGN(RecordReader records, RecordReader::Prepare(database));
  DOAGENT_ASSIGN(BlockReader blocks, BlockReader::Prepare(database));
  return RunReader(database, std::move(records), std::move(blocks));
}

Result<std::optional<StoredRun>> RunReader::Next(OriginNumber origin, Sequence first, Sequence last,
                                                 const ReadLimits& limits) {
  DOAGENT_ASSIGN([[maybe_unused]] const ReadScope scope, ReadScope::Begin(*database_));
  // The next block with a snapshot in the range: there may be one whose part of it is all holes.
  std::optional<StoredBlock> head;
  std::optional<Sequence> begin;
  for (Sequence from = first; !begin && from <= last; from = head->range.last + 1) {
    DOAGENT_ASSIGN(head, blocks_.FindHead(origin, from, last));
    if (!head) break;
    begin = FirstWithin(*head, from, last);
  }
  StoredRun run;
  const Sequence rows_last = begin ? *begin - 1 : last;
  if (first <= rows_last) {
    DOAGENT_ASSIGN(run.records, records_.Read(origin, first, rows_last, limits));
  }
  if (!run.records.empty()) {
    run.covered = {first, run.records.back().sequence};
    return run;
  }
  if (!begin) return std::nullopt;
  // Up to the next row or event in one of its holes.
  DOAGENT_ASSIGN(const auto inside,
                 records_.Sequences(origin, *begin, std::min(head->range.last, last), 1));
  if (!inside.empty() && inside.front() == *begin) {
    // Damage: the block claims a sequence that is another record's. What stands alone has a
    // checksum of its own and goes first; the block has its turn behind it.
    DOAGENT_ASSIGN(run.records, records_.Read(origin, *begin, *begin, limits));
    run.covered = {first, *begin};
    return run;
  }
  run.covered = {first, inside.empty() ? std::min(head->range.last, last) : inside.front() - 1};
  DOAGENT_ASSIGN(run.block, blocks_.Find(origin, *begin, *begin));
  if (!run.block) {
    return Fail(ErrorCode::kSalvage, "block " + std::to_string(head->range.first),
                "is there and is not");
  }
  return run;
}

Result<std::optional<std::int64_t>> RunReader::TimeAt(OriginNumber origin, Sequence first) {
  DOAGENT_ASSIGN([[maybe_unused]] const ReadScope scope, ReadScope::Begin(*database_));
  DOAGENT_ASSIGN(const auto records, records_.Read(origin, first, kSequenceMax, {0, 1}));
  DOAGENT_ASSIGN(const auto block, blocks_.FindHead(origin, first, kSequenceMax));
  if (block && (records.empty() || block->range.first <= records.front().sequence)) {
    return block->first_time_unix_ns;
  }
  if (records.empty()) return std::nullopt;
  return records.front().time_unix_ns;
}

Result<BlockExtent> RunReader::ExtentOf(OriginNumber origin, const StoredBlock& block) {
  BlockExtent extent{block.range, SequencesOf(block)};
  auto& [first, last] = extent.range;
  extent.sequences.Add({first, first});
  // Its end may be what is damaged: the next block has its own.
  DOAGENT_ASSIGN(const auto next, blocks_.FindNext(origin, first, last));
  if (next) {
    extent.sequences.Remove({*next, last});
    last = *next - 1;
  }
  DOAGENT_ASSIGN(const auto rows, records_.Sequences(origin, first, last, kBlockSpanMax));
  for (const Sequence row : rows) extent.sequences.Remove({row, row});
  if (extent.sequences.empty()) extent.sequences.Add({first, first});
  return extent;
}

Result<RangeSet> RunReader::Sequences(OriginNumber origin) {
  // In many short reads. Rows come first: what is sealed meanwhile is then seen twice, not never.
  RangeSet sequences;
  for (Sequence next = 1;;) {
    DOAGENT_ASSIGN(const auto some,
                   records_.Sequences(origin, next, kSequenceMax, kSequencesPerRead));
    if (some.empty()) break;
    for (const Sequence sequence : some) sequences.Add({sequence, sequence});
    next = some.back() + 1;
  }
  for (Sequence next = 1;;) {
    DOAGENT_ASSIGN(const auto block, blocks_.FindHead(origin, next, kSequenceMax));
    if (!block) return sequences;
    sequences.Add(SequencesOf(*block));
    next = block->range.last + 1;
  }
}

}  // namespace doagent::spool
