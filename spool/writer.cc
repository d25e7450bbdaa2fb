#include "spool/writer.h"

#include <algorithm>
#include <utility>

#include "spool/check.h"
#include "spool/record_codec.h"

namespace doagent::spool {

Writer::Writer(std::unique_ptr<Database> database, ObjectTable objects, ObjectWriter object_writer,
               RecordWriter records, BlockWriter blocks, Statement add_to_ledger,
               Statement data_version)
    : database_(std::move(database)),
      objects_(std::move(objects)),
      object_writer_(std::move(object_writer)),
      records_(std::move(records)),
      blocks_(std::move(blocks)),
      add_to_ledger_(std::move(add_to_ledger)),
      data_version_(std::move(data_version)) {}

Result<std::unique_ptr<Writer>> Writer::Open(const std::filesystem::path& path, Role role) {
  DOAGENT_ASSIGN(auto database, OpenForWriting(path, role));
  DOAGENT_ASSIGN(ObjectTable objects, ObjectTable::Prepare(*database));
  DOAGENT_ASSIGN(ObjectWriter object_writer, ObjectWriter::Prepare(*database));
  DOAGENT_ASSIGN(RecordWriter records, RecordWriter::Prepare(*database));
  DOAGENT_ASSIGN(BlockWriter blocks, BlockWriter::Prepare(*database));
  DOAGENT_ASSIGN(Statement add_to_ledger,
                 database->Prepare("INSERT INTO ledger(origin, kind, events, records) "
                                   "VALUES(?1, ?2, ?3, ?4) "
                                   "ON CONFLICT DO UPDATE SET events = min(events + ?3, 1 << 62), "
                                   "records = min(records + ?4, 1 << 62)"));
  DOAGENT_ASSIGN(Statement data_version, database->Prepare("PRAGMA data_version"));
  return std::unique_ptr<Writer>(new Writer(
      std::move(database), std::move(objects), std::move(object_writer), std::move(records),
      std::move(blocks), std::move(add_to_ledger), std::move(data_version)));
}

Result<std::int64_t> Writer::PutObjects(const std::vector<StoredObject>& objects) {
  DOAGENT_CHECK(!objects.empty());
  std::int64_t number = 0;
  for (const auto& object : objects) {
    DOAGENT_ASSIGN(const auto known, objects_.Find(object.id));
    if (known) {
      number = *known;
    } else {
      DOAGENT_ASSIGN(number, object_writer_.Put(object));
    }
  }
  return number;
}

Result<void> Writer::InsertRecord(OriginNumber origin, const StoredRecord& record,
                                  std::optional<std::int64_t> key) {
  DOAGENT_TRY(records_.Insert(origin, record, key));
  if (record.kind == RecordKind::kEvent) return AddToLedger(origin, record);
  return {};
}

Result<void> Writer::AddToLedger(OriginNumber origin, const StoredRecord& record) {
  DOAGENT_ASSIGN(const DecodedEvent decoded, DecodeEvent(record));
  const Event& event = decoded.event;
  return AddTotals(origin, event.kind, 1, event.count);
}

Result<void> Writer::AddTotals(OriginNumber origin, EventKind kind, std::uint64_t events,
                               std::uint64_t records) {
  // A forged event may claim anything; the totals must stay integers.
  return add_to_ledger_
      .Bind(origin, static_cast<int>(kind), std::min(events, kSequenceMax),
            std::min(records, kSequenceMax))
      .Run();
}

Result<void> Writer::RaiseTotals(OriginNumber origin, EventKind kind, std::uint64_t events,
                                 std::uint64_t records) {
  DOAGENT_ASSIGN(Statement raise,
                 database_->Prepare("INSERT INTO ledger(origin, kind, events, records) "
                                    "VALUES(?1, ?2, ?3, ?4) "
                                    "ON CONFLICT DO UPDATE SET events = max(events, ?3), "
                                    "records = max(records, ?4)"));
  return raise
      .Bind(origin, static_cast<int>(kind), std::min(events, kSequenceMax),
            std::min(records, kSequenceMax))
      .Run();
}

Result<std::int64_t> Writer::DataVersion() {
  const StatementScope scope(data_version_);
  DOAGENT_ASSIGN(const bool row, data_version_.Step());
  DOAGENT_CHECK(row);
  return data_version_.Integer(0);
}

}  // namespace doagent::spool
