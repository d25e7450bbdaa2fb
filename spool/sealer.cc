#include "spool/sealer.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace doagent::spool {
namespace {

constexpr ReadLimits kChunk{1 << 20, 512};

bool IsClockStep(const StoredRecord& record) {
  const auto event = RecordDecoder::Event(record);
  return event && event->event.kind == EventKind::kClockStep;
}

void AddTo(std::map<Sequence, NumberedSnapshot>& snapshots, const DecodedBlock& block) {
  for (std::size_t i = 0; i < block.size(); ++i) {
    const Sequence sequence = block.sequences()[i];
    snapshots.insert_or_assign(sequence,
                               NumberedSnapshot{sequence, block.incarnation(), block.At(i)});
  }
}

std::vector<NumberedSnapshot> Values(std::map<Sequence, NumberedSnapshot>&& snapshots) {
  std::vector<NumberedSnapshot> values;
  values.reserve(snapshots.size());
  for (auto& [sequence, snapshot] : snapshots) values.push_back(std::move(snapshot));
  return values;
}

}  // namespace

Result<std::unique_ptr<Sealer>> Sealer::Prepare(Writer& writer) {
  DOAGENT_ASSIGN(RunReader reader, RunReader::Prepare(writer.database()));
  return std::unique_ptr<Sealer>(new Sealer(writer, std::move(reader)));
}

Result<Sealer::Run> Sealer::FirstRun(OriginNumber origin, const RangeSet& complete, Sequence from,
                                     std::size_t snapshots_max) {
  Run run;
  if (complete.empty()) return run;
  // Ranges of blocks do not overlap: what stands in a block's holes stays as it is.
  DOAGENT_ASSIGN(const auto around, reader_.blocks().FindHead(origin, from, from));
  if (around) from = around->range.last + 1;
  for (Sequence next = from; next <= complete.last();) {
    DOAGENT_ASSIGN(const auto stored, reader_.Next(origin, next, complete.last(), kChunk));
    if (!stored) return run;
    next = stored->covered.last + 1;
    if (stored->block) {
      run.ended = !run.snapshots.empty();
      if (run.ended) return run;
      next = stored->block->range.last + 1;
      continue;
    }
    for (const StoredRecord& record : stored->records) {
      if (record.kind == RecordKind::kEvent) {
        run.ended = !run.snapshots.empty() && IsClockStep(record);
        if (run.ended) return run;
        continue;
      }
      const bool gap = !run.snapshots.empty() &&
                       !complete.Contains({run.snapshots.back().sequence, record.sequence});
      if (gap) return run;
      auto snapshot = decoder_.Row(record);
      if (!snapshot) continue;
      run.ended = !run.snapshots.empty() && !BlockTakes(run.snapshots, *snapshot);
      if (run.ended) return run;
      run.snapshots.push_back(*std::move(snapshot));
      if (run.snapshots.size() == snapshots_max) return run;
    }
  }
  return run;
}

Result<void> Sealer::Verify(OriginNumber origin, const StoredBlock& block,
                            std::span<const NumberedSnapshot> snapshots) {
  const auto wrong = [&block](const char* what) {
    return Fail(ErrorCode::kSalvage, "block " + std::to_string(block.range.first), what);
  };
  DOAGENT_ASSIGN(const auto stored,
                 reader_.blocks().Find(origin, block.range.first, block.range.first));
  if (!stored) return wrong("is not there although it was written");
  DOAGENT_ASSIGN(const DecodedBlock decoded, decoder_.Block(*stored));
  bool same = decoded.size() == snapshots.size();
  for (std::size_t i = 0; same && i < snapshots.size(); ++i) {
    same = decoded.sequences()[i] == snapshots[i].sequence &&
           decoded.incarnation() == snapshots[i].incarnation &&
           SameContent(decoded.At(i), snapshots[i].snapshot);
  }
  if (!same) return wrong("does not hold what was sealed");
  return {};
}

Result<void> Sealer::Insert(OriginNumber origin, std::span<const NumberedSnapshot> snapshots) {
  for (const EncodedBlock& encoded : EncodeBlocks(snapshots, layouts_)) {
    DOAGENT_ASSIGN([[maybe_unused]] const std::int64_t number, writer_.PutObjects(encoded.objects));
    DOAGENT_TRY(writer_.blocks().Insert(origin, encoded.block));
    const std::size_t count = SequencesOf(encoded.block).count();
    DOAGENT_TRY(Verify(origin, encoded.block, snapshots.first(count)));
    snapshots = snapshots.subspan(count);
  }
  return {};
}

Result<std::optional<Sealer::Sealed>> Sealer::SealNext(OriginNumber origin,
                                                       const RangeSet& complete, Sequence from,
                                                       const Wanted& wanted) {
  DOAGENT_ASSIGN(const Run run, FirstRun(origin, complete, from, wanted.snapshots));
  const bool due = run.ended || run.snapshots.size() >= wanted.snapshots || wanted.even_shorter;
  if (!due || run.snapshots.empty()) return std::nullopt;
  DOAGENT_ASSIGN(Transaction transaction, writer_.Begin());
  DOAGENT_TRY(Insert(origin, run.snapshots));
  for (const auto& one : run.snapshots) {
    DOAGENT_TRY(writer_.records().Remove(origin, one.sequence));
  }
  DOAGENT_TRY(transaction.Commit());
  return Sealed{{run.snapshots.front().sequence, run.snapshots.back().sequence},
                run.snapshots.size()};
}

Result<void> Sealer::SplitAt(OriginNumber origin, Sequence at) {
  DOAGENT_ASSIGN(const auto stored, reader_.blocks().Find(origin, at, at));
  if (!stored || stored->range.first >= at) return {};
  DOAGENT_ASSIGN(const DecodedBlock decoded, decoder_.Block(*stored));
  std::vector<NumberedSnapshot> snapshots;
  std::size_t before = 0;
  for (std::size_t i = 0; i < decoded.size(); ++i) {
    snapshots.push_back({decoded.sequences()[i], decoded.incarnation(), decoded.At(i)});
    before += decoded.sequences()[i] < at ? 1U : 0U;
  }
  DOAGENT_TRY(writer_.blocks().Remove(origin, stored->range.first));
  const std::span<const NumberedSnapshot> all(snapshots);
  DOAGENT_TRY(Insert(origin, all.first(before)));
  return Insert(origin, all.subspan(before));
}

Result<void> Sealer::Thin(OriginNumber origin, Sequence first, const RangeSet& sequences) {
  DOAGENT_ASSIGN(const auto stored, reader_.blocks().Find(origin, first, first));
  if (!stored) return Fail(ErrorCode::kSalvage, "block " + std::to_string(first), "is not there");
  DOAGENT_ASSIGN(const DecodedBlock decoded, decoder_.Block(*stored));
  std::vector<NumberedSnapshot> left;
  for (std::size_t i = 0; i < decoded.size(); ++i) {
    const Sequence sequence = decoded.sequences()[i];
    if (sequences.Contains(sequence)) continue;
    left.push_back({sequence, decoded.incarnation(), decoded.At(i)});
  }
  DOAGENT_TRY(writer_.blocks().Remove(origin, stored->range.first));
  DOAGENT_TRY(writer_.database().ExpectChange());
  return Insert(origin, left);
}

Result<void> Sealer::Merge(OriginNumber origin, const StoredBlock& block,
                           const DecodedBlock& decoded) {
  std::map<Sequence, NumberedSnapshot> merged;
  std::vector<Sequence> replaced;
  for (Sequence next = block.range.first; next <= block.range.last;) {
    DOAGENT_ASSIGN(const auto there, reader_.blocks().Find(origin, next, block.range.last));
    if (!there) break;
    DOAGENT_ASSIGN(const DecodedBlock theirs, decoder_.Block(*there));
    AddTo(merged, theirs);
    replaced.push_back(there->range.first);
    next = there->range.last + 1;
  }
  // Only now: whoever calls goes on where one of them is damaged.
  for (const Sequence first : replaced) DOAGENT_TRY(writer_.blocks().Remove(origin, first));
  for (const Sequence sequence : decoded.sequences()) {
    DOAGENT_TRY(writer_.records().Remove(origin, sequence));
  }
  if (merged.empty()) return writer_.blocks().Insert(origin, block);
  AddTo(merged, decoded);
  auto inserted = Insert(origin, Values(std::move(merged)));
  // What cannot be read back now is not to be passed over: the others are gone already.
  if (!inserted && inserted.error().code == ErrorCode::kPark) {
    inserted.error().code = ErrorCode::kSalvage;
  }
  return inserted;
}

}  // namespace doagent::spool
