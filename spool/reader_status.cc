// What `status` shows: who has how much, and in which state.

#include <algorithm>
#include <utility>

#include "spool/range_table.h"
#include "spool/reader_impl.h"
#include "spool/record_codec.h"

namespace doagent::spool {
namespace {

constexpr ReadLimits kChunk{1 << 20, 512};
// How far back the newest snapshot is looked for: past the events of a stop and a start.
constexpr Sequence kNewestRowSearch = 64;

std::uint64_t CountWithin(const RangeSet& present, const RangeSet& of) {
  std::uint64_t count = 0;
  for (const auto& range : present.ToVector()) {
    for (const auto& part : of.Within(range)) count += part.count();
  }
  return count;
}

std::uint64_t FileBytes(const std::filesystem::path& path) {
  std::uint64_t total = 0;
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    std::error_code none;
    const auto size = std::filesystem::file_size(path.string() + suffix, none);
    if (!none) total += size;
  }
  return total;
}

std::uint64_t PresentSeries(const Snapshot& snapshot) {
  std::uint64_t series = 0;
  for (const auto& section : snapshot.sections) {
    series +=
        static_cast<std::uint64_t>(std::count(section.present.begin(), section.present.end(), 1));
  }
  return series;
}

}  // namespace

Result<Reader::Impl::SettledByOrigin> Reader::Impl::LoadSettled() {
  SettledByOrigin settled;
  DOAGENT_ASSIGN(const auto delivered, LoadDelivered(*database_));
  for (const auto& [key, ranges] : delivered) settled[key.first].acknowledged.Add(ranges);
  DOAGENT_ASSIGN(const auto parked, LoadParked(*database_));
  for (const auto& [origin, sequences] : parked) settled[origin].parked = sequences;
  return settled;
}

Result<bool> Reader::Impl::Local() {
  if (receiver_) return true;
  DOAGENT_ASSIGN(const auto local, LoadMeta(*database_, "local"));
  return !local || *local == "1";
}

Result<void> Reader::Impl::RemoveExplained(OriginNumber origin, RangeSet& missing) {
  DOAGENT_ASSIGN(const auto removed, LoadRemoved(*database_));
  for (const auto& [key, ranges] : removed) {
    if (key.first != origin) continue;
    for (const auto& range : ranges.ToVector()) missing.Remove(range);
  }
  Sequence next = 1;
  for (;;) {
    DOAGENT_ASSIGN(const auto records, runs_.records().Read(origin, next, kSequenceMax, kChunk));
    if (records.empty()) return {};
    for (const auto& record : records) {
      if (record.kind != RecordKind::kEvent) continue;
      const auto decoded = DecodeEvent(record);
      if (!decoded || !decoded->event.spool_id.IsZero()) continue;
      for (const auto& range : decoded->event.ranges) missing.Remove(range);
    }
    next = records.back().sequence + 1;
  }
}

Result<std::uint64_t> Reader::Impl::Lost(OriginNumber origin) {
  DOAGENT_ASSIGN(
      Statement select,
      database_->Prepare("SELECT coalesce(sum(records), 0) FROM ledger WHERE origin = ?"));
  DOAGENT_ASSIGN(const bool row, select.Bind(origin).Step());
  return row ? static_cast<std::uint64_t>(select.Integer(0)) : 0;
}

Result<std::uint64_t> Reader::Impl::NewestSeries(OriginNumber origin, Sequence last) {
  const Sequence first = last > kNewestRowSearch ? last - kNewestRowSearch : 1;
  DOAGENT_ASSIGN(const auto records, runs_.records().Read(origin, first, last, kChunk));
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    if (record->kind != RecordKind::kRow) continue;
    if (const auto row = decoder_.Row(*record)) return PresentSeries(row->snapshot);
  }
  // All of them may be sealed; the last block that reaches so far has the newest.
  std::optional<StoredBlock> newest;
  for (Sequence next = first; next <= last; next = newest->range.last + 1) {
    DOAGENT_ASSIGN(auto block, runs_.blocks().Find(origin, next, last));
    if (!block) break;
    newest = std::move(block);
  }
  if (!newest) return 0;
  const auto& decoded = Decode(*newest);
  return decoded ? PresentSeries(decoded->At(decoded->size() - 1)) : 0;
}

Result<std::optional<std::int64_t>> Reader::Impl::TimeOf(OriginNumber origin, Sequence sequence) {
  DOAGENT_ASSIGN(const auto run, runs_.Next(origin, sequence, sequence, kChunk));
  if (!run) return std::nullopt;
  if (!run->block) return run->records.front().time_unix_ns;
  const auto& block = Decode(*run->block);
  if (!block) return std::nullopt;
  const auto& sequences = block->sequences();
  const auto found = std::lower_bound(sequences.begin(), sequences.end(), sequence);
  return block->time_unix_ns(static_cast<std::size_t>(found - sequences.begin()));
}

Result<OriginStatus> Reader::Impl::StatusOf(const OriginRow& origin, const Settled& settled,
                                            bool local) {
  OriginStatus status;
  status.spool_id = origin.spool_id;
  status.host = origin.host;
  DOAGENT_ASSIGN(status.lost_records, Lost(origin.number));
  DOAGENT_ASSIGN(const RangeSet present, runs_.Sequences(origin.number));
  if (present.empty()) return status;
  status.first_sequence = present.first();
  status.last_sequence = present.last();

  RangeSet missing;
  const Sequence should_begin = std::min(origin.first_sequence, status.first_sequence);
  for (const auto& gap : present.AbsentWithin({should_begin, status.last_sequence})) {
    missing.Add(gap);
  }
  if (!missing.empty()) DOAGENT_TRY(RemoveExplained(origin.number, missing));
  status.missing = missing.ToVector();

  status.parked_records = CountWithin(present, settled.parked);
  RangeSet delivered = settled.acknowledged;
  for (const auto& range : settled.parked.ToVector()) delivered.Remove(range);
  status.acknowledged_records = CountWithin(present, delivered);
  if (local) return status;
  status.pending_records = present.count() - status.parked_records - status.acknowledged_records;
  if (status.pending_records == 0) return status;
  delivered.Add(settled.parked);
  for (const auto& range : present.ToVector()) {
    const auto pending = delivered.NextAbsent(range.first, range.last);
    if (!pending) continue;
    DOAGENT_ASSIGN(const auto time, TimeOf(origin.number, pending->first));
    if (time) status.oldest_pending = FromUnixNanoseconds(*time);
    break;
  }
  return status;
}

Result<SpoolStatus> Reader::Impl::Status() {
  SpoolStatus status;
  status.receiver = receiver_;
  DOAGENT_ASSIGN(const auto own_id, LoadMeta(*database_, "spool_id"));
  if (own_id) status.spool_id = SpoolId::FromBytes(*own_id).value_or(SpoolId());
  DOAGENT_ASSIGN(const bool local, Local());
  // Delivery state before records: what is acknowledged meanwhile then counts as pending for one
  // more look, and nothing as acknowledged that is not there.
  DOAGENT_ASSIGN(SettledByOrigin settled, LoadSettled());
  DOAGENT_ASSIGN(const auto origins, LoadOrigins(*database_));
  for (const auto& origin : origins) {
    DOAGENT_ASSIGN(OriginStatus one, StatusOf(origin, settled[origin.number], local));
    if (one.last_sequence != 0) {
      DOAGENT_ASSIGN(const std::uint64_t series, NewestSeries(origin.number, one.last_sequence));
      status.series += series;
    }
    status.origins.push_back(std::move(one));
  }
  status.file_bytes = FileBytes(path_);
  return status;
}

Result<std::vector<Origin>> Reader::Impl::Origins() {
  DOAGENT_ASSIGN(auto rows, LoadOrigins(*database_));
  std::vector<Origin> origins;
  origins.reserve(rows.size());
  for (auto& row : rows) origins.push_back({row.spool_id, std::move(row.host)});
  return origins;
}

Result<std::vector<ParkedRecord>> Reader::Impl::Parked() {
  std::map<OriginNumber, SpoolId> ids;
  DOAGENT_ASSIGN(const auto origins, LoadOrigins(*database_));
  for (const auto& origin : origins) ids[origin.number] = origin.spool_id;
  DOAGENT_ASSIGN(Statement select,
                 database_->Prepare("SELECT id, parked_unix_ms, reason FROM parked ORDER BY id"));
  std::vector<ParkedRecord> parked;
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return parked;
    parked.push_back({ids[OriginOf(select.Integer(0))], SequenceOf(select.Integer(0)),
                      WallTime(std::chrono::milliseconds(select.Integer(1))),
                      std::string(select.Text(2))});
  }
}

}  // namespace doagent::spool
