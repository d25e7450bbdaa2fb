#include "spool/record_table.h"

#include <string>
#include <utility>

namespace doagent::spool {

Result<RecordWriter> RecordWriter::Prepare(Database& database) {
  DOAGENT_ASSIGN(
      Statement insert,
      database.Prepare("INSERT INTO records"
                       "(id, time_unix_ns, kind, encoding, key_object, checksum, payload) "
                       "VALUES(?, ?, ?, ?, ?, ?, ?)"));
  DOAGENT_ASSIGN(Statement remove, database.Prepare("DELETE FROM records WHERE id = ?"));
  return RecordWriter(std::move(insert), std::move(remove));
}

Result<void> RecordWriter::Insert(OriginNumber origin, const StoredRecord& record,
                                  std::optional<std::int64_t> key_number) {
  return insert_
      .Bind(PackId(origin, record.sequence), record.time_unix_ns, static_cast<int>(record.kind),
            static_cast<int>(record.encoding), key_number, record.checksum,
            std::string_view(record.payload))
      .Run();
}

Result<void> RecordWriter::Remove(OriginNumber origin, Sequence sequence) {
  return remove_.Bind(PackId(origin, sequence)).Run();
}

Result<RecordReader> RecordReader::Prepare(Database& database) {
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare("SELECT r.id, r.time_unix_ns, r.kind, r.encoding, o.id, "
                                  "r.checksum, r.payload "
                                  "FROM records r LEFT JOIN objects o ON o.number = r.key_object "
                                  "WHERE r.id BETWEEN ? AND ? ORDER BY r.id LIMIT ?"));
  DOAGENT_ASSIGN(Statement sequences,
                 database.Prepare("SELECT id FROM records WHERE id BETWEEN ? AND ? "
                                  "ORDER BY id LIMIT ?"));
  return RecordReader(std::move(select), std::move(sequences));
}

Result<std::vector<StoredRecord>> RecordReader::Read(OriginNumber origin, Sequence first,
                                                     Sequence last, const ReadLimits& limits) {
  const StatementScope scope(select_);
  select_.Bind(PackId(origin, first), PackId(origin, last), limits.records_max);
  std::vector<StoredRecord> records;
  std::size_t bytes = 0;
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select_.Step());
    if (!row) return records;
    const std::string_view payload = select_.Blob(6);
    bytes += payload.size();
    if (!records.empty() && bytes > limits.bytes_max) return records;
    StoredRecord record;
    record.sequence = SequenceOf(select_.Integer(0));
    record.time_unix_ns = select_.Integer(1);
    record.kind = static_cast<RecordKind>(select_.Integer(2));
    record.encoding = static_cast<Encoding>(select_.Integer(3));
    // An id that is not one, or not there, makes the checksum fail, as it should.
    record.key = ObjectId::FromBytes(select_.Blob(4)).value_or(ObjectId());
    record.checksum = static_cast<std::uint64_t>(select_.Integer(5));
    record.payload = std::string(payload);
    records.push_back(std::move(record));
  }
}

Result<std::vector<Sequence>> RecordReader::Sequences(OriginNumber origin, Sequence first,
                                                      Sequence last, std::size_t records_max) {
  const StatementScope scope(sequences_);
  sequences_.Bind(PackId(origin, first), PackId(origin, last), records_max);
  std::vector<Sequence> sequences;
  for (;;) {
    DOAGENT_ASSIGN(const bool row, sequences_.Step());
    if (!row) return sequences;
    sequences.push_back(SequenceOf(sequences_.Integer(0)));
  }
}

}  // namespace doagent::spool
