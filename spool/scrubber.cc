#include "spool/scrubber.h"

#include <utility>

namespace doagent::spool {
namespace {

// A fraction of a millisecond's work.
constexpr ReadLimits kStep{64 << 10, 32};

// Of what is damaged, so much is kept for whoever wants to know what became of it.
constexpr const char* kKept = "(SELECT count(*) FROM damaged) < 1000";

std::string PayloadIn(const std::string& table) {
  return "SELECT payload FROM " + table + " WHERE id = ? AND " + kKept;
}

}  // namespace

Result<std::unique_ptr<Scrubber>> Scrubber::Prepare(Writer& writer) {
  DOAGENT_ASSIGN(RunReader runs, RunReader::Prepare(writer.database()));
  return std::unique_ptr<Scrubber>(new Scrubber(writer, std::move(runs)));
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
      DOAGENT_ASSIGN(const BlockExtent extent, runs_.ExtentOf(origin, *run.block));
      DOAGENT_TRY(note(decoded.error(), extent.sequences));
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
    // A block that has records in its holes is looked at before and behind each of them.
    done_ = run->covered.last;
    return Check(origin, *run);
  }
  origin_ = 0;
  done_ = 0;
  return std::nullopt;
}

Result<std::optional<DamagedRecords>> Scrubber::Block(OriginNumber origin, Sequence first,
                                                      const Error& error) {
  DOAGENT_ASSIGN(const auto block, runs_.blocks().Find(origin, first, first));
  if (!block || block->range.first != first) return std::nullopt;
  DOAGENT_ASSIGN(BlockExtent extent, runs_.ExtentOf(origin, *block));
  return DamagedRecords{origin, std::move(extent.sequences), first, error.Message()};
}

void Scrubber::LookAt(OriginNumber origin, Sequence sequence) {
  origin_ = origin;
  done_ = sequence - 1;
}

Result<void> Scrubber::SetAside(const DamagedRecords& damaged, WallTime now) {
  Database& database = writer_.database();
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare(PayloadIn(damaged.block ? "blocks" : "records")));
  DOAGENT_ASSIGN(Statement keep,
                 database.Prepare("INSERT OR REPLACE INTO damaged"
                                  "(id, found_unix_ms, what, payload) VALUES(?, ?, ?, ?)"));
  // Removed before it is kept: on a full disk there are no other pages for it.
  const auto move = [&](Sequence sequence) -> Result<void> {
    const std::int64_t id = PackId(damaged.origin, sequence);
    DOAGENT_ASSIGN(const bool kept, select.Bind(id).Step());
    const std::string payload(kept ? select.Blob(0) : std::string_view());
    select.Reset();
    DOAGENT_TRY(damaged.block ? writer_.blocks().Remove(damaged.origin, sequence)
                              : writer_.records().Remove(damaged.origin, sequence));
    DOAGENT_TRY(database.ExpectChange());
    return kept
               ? keep.Bind(id, UnixMilliseconds(now), damaged.what, std::string_view(payload)).Run()
               : Result<void>();
  };
  if (damaged.block) return move(*damaged.block);
  for (const auto& [first, last] : damaged.sequences.ToVector()) {
    for (Sequence sequence = first; sequence <= last; ++sequence) DOAGENT_TRY(move(sequence));
  }
  return {};
}

}  // namespace doagent::spool
