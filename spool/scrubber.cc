#include "spool/scrubber.h"

#include <utility>

namespace doagent::spool {
namespace {

// A fraction of a millisecond's work.
constexpr ReadLimits kStep{64 << 10, 32};

// Of what is damaged, so much is kept for whoever wants to know what became of it.
constexpr const char* kKept = "(SELECT count(*) FROM damaged) < 1000";

std::string MoveFrom(const std::string& table) {
  return "INSERT OR REPLACE INTO damaged(id, found_unix_ms, what, payload) "
         "SELECT id, ?, ?, payload FROM " +
         table + " WHERE id = ? AND " + kKept;
}

}  // namespace

Result<std::unique_ptr<Scrubber>> Scrubber::Prepare(Writer& writer) {
  DOAGENT_ASSIGN(RunReader runs, RunReader::Prepare(writer.database()));
  return std::unique_ptr<Scrubber>(new Scrubber(writer, std::move(runs)));
}

Result<RangeSet> Scrubber::LostWith(OriginNumber origin, const StoredBlock& block) {
  RangeSet lost = SequencesOf(block);
  lost.Add({block.range.first, block.range.first});
  // Its end may be what is damaged: the next block has its own.
  DOAGENT_ASSIGN(const auto next,
                 runs_.blocks().FindNext(origin, block.range.first, block.range.last));
  if (next && *next <= lost.last()) lost.Remove({*next, lost.last()});
  DOAGENT_ASSIGN(const auto rows, runs_.records().Sequences(origin, block.range.first,
                                                            block.range.last, kBlockSpanMax));
  for (const Sequence row : rows) lost.Remove({row, row});
  if (lost.empty()) lost.Add({block.range.first, block.range.first});
  return lost;
}

Result<std::optional<DamagedRecords>> Scrubber::Check(OriginNumber origin, const StoredRun& run) {
  DamagedRecords damaged{origin, {}, std::nullopt, ""};
  const auto note = [&damaged](const Error& error, const RangeSet& sequences) -> Result<void> {
    if (error.code != ErrorCode::kPark) return Fail(error);
    if (damaged.what.empty()) damaged.what = error.Message();
    damaged.sequences.Add(sequences);
    return {};
  };
  if (run.block) {
    const auto decoded = decoder_.Block(*run.block);
    if (!decoded) {
      DOAGENT_ASSIGN(const RangeSet lost, LostWith(origin, *run.block));
      DOAGENT_TRY(note(decoded.error(), lost));
      damaged.block = run.block->range.first;
    }
  }
  for (const StoredRecord& record : run.records) {
    Result<void> intact;
    if (record.kind == RecordKind::kRow) {
      const auto row = decoder_.Row(record);
      if (!row) intact = Fail(row.error());
    } else {
      const auto event = RecordDecoder::Event(record);
      if (!event) intact = Fail(event.error());
    }
    if (!intact) {
      DOAGENT_TRY(note(intact.error(), RangeSet({{record.sequence, record.sequence}})));
    }
  }
  if (damaged.what.empty()) return std::nullopt;
  return damaged;
}

Result<std::optional<DamagedRecords>> Scrubber::Step(const std::vector<OriginNumber>& origins) {
  for (const OriginNumber origin : origins) {
    if (origin < origin_) continue;
    if (origin > origin_) done_ = 0;
    origin_ = origin;
    DOAGENT_ASSIGN(const auto run, runs_.Next(origin, done_ + 1, kSequenceMax, kStep));
    if (!run) continue;
    // A block is looked at once, whatever stands in its holes.
    done_ = run->covered.last;
    return Check(origin, *run);
  }
  origin_ = 0;
  done_ = 0;
  return std::nullopt;
}

Result<void> Scrubber::SetAside(const DamagedRecords& damaged, WallTime now) {
  DOAGENT_ASSIGN(Statement move,
                 writer_.database().Prepare(MoveFrom(damaged.block ? "blocks" : "records")));
  const auto move_one = [&](Sequence sequence) {
    return move.Bind(UnixMilliseconds(now), damaged.what, PackId(damaged.origin, sequence)).Run();
  };
  const auto removed = [this](Result<void> done) -> Result<void> {
    if (!done || writer_.database().Changes() > 0) return done;
    return Fail(ErrorCode::kSalvage, writer_.database().path(), "what is read cannot be removed");
  };
  if (damaged.block) {
    DOAGENT_TRY(move_one(*damaged.block));
    return removed(writer_.blocks().Remove(damaged.origin, *damaged.block));
  }
  for (const auto& [first, last] : damaged.sequences.ToVector()) {
    for (Sequence sequence = first; sequence <= last; ++sequence) {
      DOAGENT_TRY(move_one(sequence));
      DOAGENT_TRY(removed(writer_.records().Remove(damaged.origin, sequence)));
    }
  }
  return {};
}

}  // namespace doagent::spool
