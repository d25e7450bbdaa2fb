#include "spool/wreck_records.h"

#include <algorithm>
#include <initializer_list>
#include <string>

#include "spool/block_codec.h"
#include "spool/block_table.h"
#include "spool/layout.h"
#include "spool/object_codec.h"
#include "spool/record_codec.h"

namespace doagent::spool {
namespace {

using Kind = RawValue::Kind;

bool IsEncoding(std::int64_t encoding) {
  return encoding == 0 || encoding == 1;
}

bool IsSequence(std::int64_t rowid) {
  return rowid > 0 && SequenceOf(rowid) > 0;
}

}  // namespace

std::optional<StoredObject> IntactObject(const RawRow& row) {
  if (!HasShape(row, {Kind::kNull, Kind::kBlob, Kind::kInteger, Kind::kInteger, Kind::kBlob})) {
    return std::nullopt;
  }
  const auto id = ObjectId::FromBytes(row.values[1].bytes);
  const std::int64_t kind = row.values[2].integer;
  const std::int64_t encoding = row.values[3].integer;
  if (!id || kind < 1 || kind > 3 || !IsEncoding(encoding)) return std::nullopt;
  StoredObject object{*id, static_cast<ObjectKind>(kind), static_cast<Encoding>(encoding),
                      std::string(row.values[4].bytes)};
  if (!OpenObject(object)) return std::nullopt;
  return object;
}

std::optional<StoredBlock> IntactBlock(const RawRow& row) {
  if (!HasShape(row, {Kind::kNull, Kind::kInteger, Kind::kInteger, Kind::kInteger, Kind::kInteger,
                      Kind::kInteger, Kind::kBlob, Kind::kBlob, Kind::kBlob})) {
    return std::nullopt;
  }
  const auto& values = row.values;
  if (!IsSequence(row.rowid) || !IsEncoding(values[4].integer)) return std::nullopt;
  StoredBlock block;
  block.range = {SequenceOf(row.rowid), static_cast<Sequence>(values[1].integer)};
  block.first_time_unix_ns = values[2].integer;
  block.last_time_unix_ns = values[3].integer;
  block.encoding = static_cast<Encoding>(values[4].integer);
  block.checksum = static_cast<std::uint64_t>(values[5].integer);
  block.holes = std::string(values[6].bytes);
  block.layouts = SplitIds(values[7].bytes);
  block.payload = std::string(values[8].bytes);
  const bool possible = block.range.last <= kSequenceMax && HasPossibleRange(block);
  if (!possible || !VerifyChecksum(block)) return std::nullopt;
  return block;
}

std::optional<StoredRecord> RecordOf(const RawRow& row) {
  const auto& values = row.values;
  const bool shape = values.size() == 7 && values[0].kind == Kind::kNull && values[1].IsInteger() &&
                     values[2].IsInteger() && values[3].IsInteger() &&
                     (values[4].IsInteger() || values[4].kind == Kind::kNull) &&
                     values[5].IsInteger() && values[6].IsBlob();
  if (!shape) return std::nullopt;
  const std::int64_t kind = values[2].integer;
  const std::int64_t encoding = values[3].integer;
  const bool possible = IsSequence(row.rowid) && (kind == 0 || kind == 1) && IsEncoding(encoding) &&
                        values[6].bytes.size() <= kRecordBytesMax;
  if (!possible) return std::nullopt;
  StoredRecord record;
  record.sequence = SequenceOf(row.rowid);
  record.time_unix_ns = values[1].integer;
  record.kind = static_cast<RecordKind>(kind);
  record.encoding = static_cast<Encoding>(encoding);
  record.checksum = static_cast<std::uint64_t>(values[5].integer);
  record.payload = std::string(values[6].bytes);
  return record;
}

bool ProvesItself(const RawRow& row) {
  if (IntactObject(row) || IntactBlock(row)) return true;
  const auto record = RecordOf(row);
  return record && record->kind == RecordKind::kEvent && VerifyChecksum(*record).has_value();
}

}  // namespace doagent::spool
