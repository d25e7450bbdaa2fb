// What `status` shows: who has how much, and in which state.

#include <algorithm>
#include <utility>

#include "spool/file_system.h"
#include "spool/range_table.h"
#include "spool/reader_impl.h"
#include "spool/record_codec.h"
#include "spool/set_aside.h"

namespace doagent::spool {
namespace {

constexpr ReadLimits kChunk{1 << 20, 512};
// How far back the newest snapshot is looked for: past the events of a stop and a start.
constexpr Sequence kNewestRowSearch = 64;
// What a row of a table takes besides its payload, and what pages that are not full add.
constexpr std::uint64_t kRowOverhead = 40;
constexpr double kPageFill = 1.1;

std::uint64_t CountWithin(const RangeSet& present, const RangeSet& of) {
  std::uint64_t count = 0;
  for (const auto& range : present.ToVector()) {
    for (const auto& part : of.Within(range)) count += part.count();
  }
  return count;
}

std::uint64_t FileBytes(const std::filesystem::path& path) {
  std::uint64_t total = 0;
  for (const char* suffix : {"", "-wal", "-shm", ".lock", ".reserve"}) {
    std::error_code none;
    const auto size = std::filesystem::file_size(path.string() + suffix, none);
    if (!none) total += size;
  }
  return total + BytesSetAside(path);
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

Result<void> Reader::Impl::LoadTotals(OriginNumber origin, OriginStatus& status) {
  DOAGENT_ASSIGN(Statement select,
                 database_->Prepare("SELECT kind, events, records FROM ledger WHERE origin = ?"));
  select.Bind(origin);
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return {};
    const LedgerTotal total{static_cast<EventKind>(select.Integer(0)),
                            static_cast<std::uint64_t>(select.Integer(1)),
                            static_cast<std::uint64_t>(select.Integer(2))};
    if (MeansLoss(total.kind)) status.lost_records += total.records;
    status.ledger.push_back(total);
  }
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

Result<std::uint64_t> Reader::Impl::BytesOf(OriginNumber origin, const RangeSet& sequences) {
  const std::int64_t first = PackId(origin, 0);
  const std::int64_t last = PackId(origin, kSequenceMax);
  std::uint64_t bytes = 0;
  // Lengths alone: payloads are not read for them.
  DOAGENT_ASSIGN(Statement rows, database_->Prepare("SELECT id, length(payload) FROM records "
                                                    "WHERE id BETWEEN ? AND ?"));
  rows.Bind(first, last);
  for (;;) {
    DOAGENT_ASSIGN(const bool row, rows.Step());
    if (!row) break;
    if (sequences.Contains(SequenceOf(rows.Integer(0)))) {
      bytes += kRowOverhead + static_cast<std::uint64_t>(rows.Integer(1));
    }
  }
  DOAGENT_ASSIGN(Statement blocks,
                 database_->Prepare("SELECT id, last, length(payload) FROM blocks "
                                    "WHERE id BETWEEN ? AND ?"));
  blocks.Bind(first, last);
  for (;;) {
    DOAGENT_ASSIGN(const bool row, blocks.Step());
    if (!row) return bytes;
    const SequenceRange range{SequenceOf(blocks.Integer(0)),
                              static_cast<Sequence>(blocks.Integer(1))};
    if (range.first <= range.last && sequences.Intersects(range)) {
      bytes += kRowOverhead + static_cast<std::uint64_t>(blocks.Integer(2));
    }
  }
}

Result<void> Reader::Impl::EstimateGrowth(SpoolStatus& status) {
  DOAGENT_ASSIGN(const auto bytes_max, LoadMetaInteger(*database_, "spool_bytes_max"));
  status.bytes_max = bytes_max && *bytes_max > 0 ? static_cast<std::uint64_t>(*bytes_max) : 0;
  // Blocks, since rows shrink when they become some: the bytes of those that are left, over the
  // time that they cover, thinned ones left out by their own small weight.
  DOAGENT_ASSIGN(
      Statement select,
      database_->Prepare("SELECT sum(length(payload)), "
                         "sum(last_time_unix_ns - first_time_unix_ns), count(*) FROM "
                         "(SELECT * FROM blocks ORDER BY first_time_unix_ns DESC LIMIT 64)"));
  DOAGENT_ASSIGN(const bool row, select.Step());
  if (!row || select.IsNull(0) || select.Integer(1) <= 0) return {};
  const double bytes = static_cast<double>(select.Integer(0)) +
                       static_cast<double>(kRowOverhead) * static_cast<double>(select.Integer(2));
  constexpr double kDay = 86400e9;
  const double per_day = bytes * kPageFill * kDay / static_cast<double>(select.Integer(1));
  status.bytes_per_day = static_cast<std::uint64_t>(per_day);
  if (per_day < 1) return {};
  std::optional<std::uint64_t> growth = status.disk_free_bytes;
  if (growth) *growth += BytesKeptFor(path_);
  if (status.bytes_max > 0) {
    const std::uint64_t allowed = status.bytes_max - std::min(status.bytes_max, status.file_bytes);
    growth = std::min(growth.value_or(allowed), allowed);
  }
  if (!growth) return {};
  // What is new goes into free pages first.
  DOAGENT_ASSIGN(const std::int64_t pages, database_->QueryInteger("PRAGMA freelist_count"));
  DOAGENT_ASSIGN(const std::int64_t page_bytes, database_->QueryInteger("PRAGMA page_size"));
  const auto left = static_cast<double>(*growth) + static_cast<double>(pages * page_bytes);
  constexpr double kLongest = 100 * 365.0;  // days
  status.time_to_full =
      Nanoseconds(static_cast<std::int64_t>(std::min(left / per_day, kLongest) * kDay));
  return {};
}

Result<OriginStatus> Reader::Impl::StatusOf(const OriginRow& origin, const Settled& settled,
                                            bool local) {
  OriginStatus status;
  status.spool_id = origin.spool_id;
  status.host = origin.host;
  DOAGENT_TRY(LoadTotals(origin.number, status));
  DOAGENT_ASSIGN(const RangeSet present, runs_.Sequences(origin.number));
  if (present.empty()) return status;
  status.first_sequence = present.first();
  status.last_sequence = present.last();

  RangeSet missing;
  const Sequence should_begin = std::min(origin.first_sequence, status.first_sequence);
  for (const auto& gap : present.AbsentWithin({should_begin, status.last_sequence})) {
    missing.Add(gap);
  }
  if (!missing.empty()) {
    if (!explained_) {
      DOAGENT_ASSIGN(explained_,
                     LoadExplained(*database_, runs_, receiver_ ? Role::kReceiver : Role::kAgent));
    }
    missing = (*explained_)[origin.spool_id].Unexplained(std::move(missing));
  }
  status.missing = missing.ToVector();

  status.parked_records = CountWithin(present, settled.parked);
  RangeSet delivered = settled.acknowledged;
  for (const auto& range : settled.parked.ToVector()) delivered.Remove(range);
  status.acknowledged_records = CountWithin(present, delivered);
  if (local) return status;
  status.pending_records = present.count() - status.parked_records - status.acknowledged_records;
  if (status.pending_records == 0) return status;
  delivered.Add(settled.parked);
  RangeSet pending_set = present;
  for (const auto& range : delivered.ToVector()) pending_set.Remove(range);
  DOAGENT_ASSIGN(status.pending_bytes, BytesOf(origin.number, pending_set));
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
  explained_.reset();
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
  if (const auto disk = DiskSpaceAt(path_)) status.disk_free_bytes = disk->free_bytes;
  DOAGENT_TRY(EstimateGrowth(status));
  DOAGENT_ASSIGN(const std::int64_t forgotten,
                 database_->QueryInteger("SELECT coalesce(sum(records), 0) FROM ledger "
                                         "WHERE origin = 0"));
  status.forgotten_records = static_cast<std::uint64_t>(forgotten);
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
