#include "spool/reader.h"

#include <algorithm>
#include <map>
#include <utility>

#include "spool/catalog.h"
#include "spool/layout.h"
#include "spool/object_table.h"
#include "spool/origin_table.h"
#include "spool/range_table.h"
#include "spool/record_codec.h"
#include "spool/record_table.h"
#include "spool/sqlite.h"

namespace doagent::spool {
namespace {

// One read transaction each: short, so that the owner's log can be checkpointed meanwhile.
constexpr ReadLimits kChunk{1 << 20, 512};
constexpr std::size_t kSequencesPerChunk = 16384;
// How far back the newest snapshot is looked for: past the events of a stop and a start.
constexpr Sequence kNewestRowSearch = 64;

// What of an origin is settled, and how; as the tables say.
struct Settled {
  RangeSet acknowledged;
  RangeSet parked;
};

using SettledByOrigin = std::map<OriginNumber, Settled>;

Result<SettledByOrigin> LoadSettled(Database& database) {
  SettledByOrigin settled;
  DOAGENT_ASSIGN(const auto delivered, LoadDelivered(database));
  for (const auto& [key, ranges] : delivered) settled[key.first].acknowledged.Add(ranges);
  DOAGENT_ASSIGN(const auto parked, LoadParked(database));
  for (const auto& [origin, sequences] : parked) settled[origin].parked = sequences;
  return settled;
}

DeliveryState StateOf(const Settled& settled, bool local, Sequence sequence) {
  if (settled.parked.Contains(sequence)) return DeliveryState::kParked;
  if (settled.acknowledged.Contains(sequence)) return DeliveryState::kAcknowledged;
  return local ? DeliveryState::kLocal : DeliveryState::kPending;
}

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

bool TimeWanted(const RecordFilter& filter, std::int64_t time_unix_ns) {
  const WallTime time = FromUnixNanoseconds(time_unix_ns);
  return (!filter.from || time >= *filter.from) && (!filter.to || time < *filter.to);
}

bool OriginWanted(const RecordFilter& filter, const OriginRow& origin) {
  return (!filter.origin || *filter.origin == origin.spool_id) &&
         (!filter.host || *filter.host == origin.host.hostname);
}

}  // namespace

class Reader::Impl {
 public:
  Impl(std::filesystem::path path, std::unique_ptr<Database> database, RecordReader records,
       ObjectTable objects, bool receiver)
      : path_(std::move(path)),
        database_(std::move(database)),
        records_(std::move(records)),
        objects_(std::move(objects)),
        catalog_(objects_),
        receiver_(receiver) {}

  Result<SpoolStatus> Status();
  Result<std::vector<Origin>> Origins();
  Result<std::vector<ParkedRecord>> Parked();
  Result<void> Visit(const RecordFilter& filter, const std::function<bool(const Record&)>& visit,
                     const std::function<void(const Error&)>& damaged);
  void Rewind() { positions_.clear(); }

 private:
  struct VisitContext {
    const RecordFilter& filter;
    const std::function<bool(const Record&)>& visit;
    const std::function<void(const Error&)>& damaged;
    bool local = true;
  };

  // Nothing is ever pending in a receiver's spool, nor in that of an agent without an endpoint.
  Result<bool> Local();
  Result<RangeSet> Present(OriginNumber origin);
  Result<OriginStatus> StatusOf(const OriginRow& origin, const Settled& settled, bool local);
  Result<void> RemoveExplained(OriginNumber origin, RangeSet& missing);
  Result<std::uint64_t> Lost(OriginNumber origin);
  Result<std::uint64_t> NewestSeries(OriginNumber origin, Sequence last);
  Result<Record> Decode(const OriginRow& origin, const StoredRecord& stored);
  // True: go on.
  Result<bool> VisitOrigin(const OriginRow& origin, const Settled& settled,
                           const VisitContext& context);

  const std::filesystem::path path_;
  std::unique_ptr<Database> database_;
  RecordReader records_;
  ObjectTable objects_;
  Catalog catalog_;
  const bool receiver_;
  std::map<OriginNumber, Sequence> positions_;  // the last visited
};

Result<bool> Reader::Impl::Local() {
  if (receiver_) return true;
  DOAGENT_ASSIGN(const auto local, LoadMeta(*database_, "local"));
  return !local || *local == "1";
}

Result<RangeSet> Reader::Impl::Present(OriginNumber origin) {
  RangeSet present;
  Sequence next = 1;
  for (;;) {
    DOAGENT_ASSIGN(const auto sequences,
                   records_.Sequences(origin, next, kSequenceMax, kSequencesPerChunk));
    if (sequences.empty()) return present;
    for (const Sequence sequence : sequences) present.Add({sequence, sequence});
    next = sequences.back() + 1;
  }
}

Result<void> Reader::Impl::RemoveExplained(OriginNumber origin, RangeSet& missing) {
  Sequence next = 1;
  for (;;) {
    DOAGENT_ASSIGN(const auto records, records_.Read(origin, next, kSequenceMax, kChunk));
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
  DOAGENT_ASSIGN(const auto records, records_.Read(origin, first, last, kChunk));
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    if (record->kind != RecordKind::kRow) continue;
    const auto key_set = catalog_.FindKeySet(record->key_set);
    if (!key_set) continue;
    const auto snapshot = DecodeRow(*record, **key_set);
    if (!snapshot) continue;
    std::uint64_t series = 0;
    for (const auto& section : snapshot->sections) {
      series +=
          static_cast<std::uint64_t>(std::count(section.present.begin(), section.present.end(), 1));
    }
    return series;
  }
  return 0;
}

Result<OriginStatus> Reader::Impl::StatusOf(const OriginRow& origin, const Settled& settled,
                                            bool local) {
  OriginStatus status;
  status.spool_id = origin.spool_id;
  status.host = origin.host;
  DOAGENT_ASSIGN(status.lost_records, Lost(origin.number));
  DOAGENT_ASSIGN(const RangeSet present, Present(origin.number));
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
    DOAGENT_ASSIGN(const auto records,
                   records_.Read(origin.number, pending->first, pending->first, kChunk));
    if (!records.empty()) {
      status.oldest_pending = FromUnixNanoseconds(records.front().time_unix_ns);
    }
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
  DOAGENT_ASSIGN(SettledByOrigin settled, LoadSettled(*database_));
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

Result<Record> Reader::Impl::Decode(const OriginRow& origin, const StoredRecord& stored) {
  DOAGENT_TRY(VerifyChecksum(stored));
  Record record;
  record.spool_id = origin.spool_id;
  record.sequence = stored.sequence;
  record.time = FromUnixNanoseconds(stored.time_unix_ns);
  if (stored.kind == RecordKind::kEvent) {
    DOAGENT_ASSIGN(DecodedEvent decoded, DecodeEvent(stored));
    record.content = std::move(decoded.event);
    return record;
  }
  DOAGENT_ASSIGN(const KeySetPtr key_set, catalog_.FindKeySet(stored.key_set));
  DOAGENT_ASSIGN(record.content, DecodeRow(stored, *key_set));
  return record;
}

Result<bool> Reader::Impl::VisitOrigin(const OriginRow& origin, const Settled& settled,
                                       const VisitContext& context) {
  DOAGENT_ASSIGN(const Sequence head, HeadOf(*database_, origin.number));
  Sequence& position = positions_[origin.number];
  while (position < head) {
    DOAGENT_ASSIGN(const auto chunk, records_.Read(origin.number, position + 1, head, kChunk));
    if (chunk.empty()) break;
    for (const auto& stored : chunk) {
      position = stored.sequence;
      const DeliveryState state = StateOf(settled, context.local, stored.sequence);
      if (context.filter.state && *context.filter.state != state) continue;
      if (!TimeWanted(context.filter, stored.time_unix_ns)) continue;
      auto record = Decode(origin, stored);
      if (!record) {
        const std::string where = path_.string() + ": origin " + origin.spool_id.Hex() +
                                  ", record " + std::to_string(stored.sequence);
        context.damaged({record.error().code, where, record.error().Message()});
        continue;
      }
      record->state = state;
      if (!context.visit(*record)) return false;
    }
  }
  return true;
}

Result<void> Reader::Impl::Visit(const RecordFilter& filter,
                                 const std::function<bool(const Record&)>& visit,
                                 const std::function<void(const Error&)>& damaged) {
  VisitContext context{filter, visit, damaged, true};
  DOAGENT_ASSIGN(context.local, Local());
  DOAGENT_ASSIGN(SettledByOrigin settled, LoadSettled(*database_));
  DOAGENT_ASSIGN(const auto origins, LoadOrigins(*database_));
  for (const auto& origin : origins) {
    if (!OriginWanted(filter, origin)) continue;
    DOAGENT_ASSIGN(const bool go_on, VisitOrigin(origin, settled[origin.number], context));
    if (!go_on) break;
  }
  return {};
}

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::~Reader() = default;

Result<std::unique_ptr<Reader>> Reader::Open(const std::filesystem::path& path) {
  DOAGENT_ASSIGN(auto database, OpenForReading(path));
  DOAGENT_ASSIGN(const Role role, RoleOf(*database));
  DOAGENT_ASSIGN(RecordReader records, RecordReader::Prepare(*database));
  DOAGENT_ASSIGN(ObjectTable objects, ObjectTable::Prepare(*database));
  return std::unique_ptr<Reader>(new Reader(std::make_unique<Impl>(
      path, std::move(database), std::move(records), std::move(objects), role == Role::kReceiver)));
}

Result<SpoolStatus> Reader::Status() {
  return impl_->Status();
}
Result<std::vector<Origin>> Reader::Origins() {
  return impl_->Origins();
}
Result<std::vector<ParkedRecord>> Reader::Parked() {
  return impl_->Parked();
}
Result<void> Reader::Visit(const RecordFilter& filter,
                           const std::function<bool(const Record&)>& visit,
                           const std::function<void(const Error&)>& damaged) {
  return impl_->Visit(filter, visit, damaged);
}
void Reader::Rewind() {
  impl_->Rewind();
}

}  // namespace doagent::spool
