#include "spool/verify_records.h"

#include <utility>

#include "spool/read_past_damage.h"
#include "spool/record_codec.h"

namespace doagent::spool {
namespace {

enum Column { kId, kTime, kKind, kEncoding, kKey, kChecksum, kSize, kPayload };

// A damaged size must not make us read what would not fit into memory.
constexpr const char* kSelect =
    "SELECT id, time_unix_ns, kind, encoding, key_object, checksum, length(payload), "
    "iif(length(payload) <= 1048576, payload, x'') "
    "FROM records WHERE id BETWEEN ? AND ? ORDER BY id";
static_assert(kRecordBytesMax == 1'048'576);

bool Known(std::int64_t encoding) {
  return encoding == static_cast<int>(Encoding::kPlain) ||
         encoding == static_cast<int>(Encoding::kZstd);
}

// What it says beside its payload that no program understands; empty: nothing.
std::string ExamineColumns(const Statement& row) {
  const std::int64_t kind = row.Integer(kKind);
  const bool is_row = kind == static_cast<int>(RecordKind::kRow);
  if (SequenceOf(row.Integer(kId)) == 0) return "0 is nobody's sequence";
  if (!is_row && kind != static_cast<int>(RecordKind::kEvent)) {
    return "is of an unknown kind, " + std::to_string(kind);
  }
  if (!Known(row.Integer(kEncoding))) {
    return "has an unknown encoding, " + std::to_string(row.Integer(kEncoding));
  }
  if (row.Integer(kSize) > static_cast<std::int64_t>(kRecordBytesMax)) {
    return "has " + std::to_string(row.Integer(kSize)) + " bytes, more than a record may have";
  }
  if (is_row && row.IsNull(kKey)) return "names no key";
  if (!is_row && !row.IsNull(kKey)) return "is an event, yet it names a key";
  return "";
}

}  // namespace

RecordVerifier::RecordVerifier(const VerifyContext& context, SequenceFacts& facts,
                               RecordDecoder& decoder, Statement select, Statement key,
                               Statement key_copy)
    : context_(context),
      facts_(facts),
      decoder_(decoder),
      select_(std::move(select)),
      key_(std::move(key)),
      key_copy_(std::move(key_copy)) {}

Result<RecordVerifier> RecordVerifier::Prepare(const VerifyContext& context, SequenceFacts& facts,
                                               RecordDecoder& decoder) {
  DOAGENT_ASSIGN(Statement select, context.database.Prepare(kSelect));
  DOAGENT_ASSIGN(Statement key,
                 context.database.Prepare("SELECT id FROM objects WHERE number = ?"));
  DOAGENT_ASSIGN(Statement key_copy,
                 context.database.Prepare("SELECT id FROM object_copies WHERE number = ?"));
  return RecordVerifier(context, facts, decoder, std::move(select), std::move(key),
                        std::move(key_copy));
}

Result<std::optional<ObjectId>> RecordVerifier::KeyId(std::int64_t number) {
  const StatementScope scope(key_);
  const auto there = key_.Bind(number).Step();
  if (there && !*there) return std::nullopt;
  if (there) return ObjectId::FromBytes(key_.Blob(0)).value_or(ObjectId());
  if (!IsDamage(there.error())) return Fail(there.error());
  const StatementScope copy_scope(key_copy_);
  DOAGENT_ASSIGN(const bool copied, key_copy_.Bind(number).Step());
  if (!copied) return std::nullopt;
  return ObjectId::FromBytes(key_copy_.Blob(0)).value_or(ObjectId());
}

Result<std::string> RecordVerifier::ExamineContent(StoredRecord& record, std::int64_t key,
                                                   Incarnation& incarnation) {
  if (record.kind == RecordKind::kEvent) {
    if (const auto intact = VerifyChecksum(record); !intact) return intact.error().what;
    const auto event = DecodeEvent(record);
    if (!event) return event.error().what;
    incarnation = event->incarnation;
    return std::string();
  }
  const auto key_id = KeyId(key);
  if (!key_id && !IsDamage(key_id.error())) return Fail(key_id.error());
  if (!key_id) return "its key, object number " + std::to_string(key) + ", cannot be read";
  if (!*key_id) return "its key, object number " + std::to_string(key) + ", is not there";
  record.key = **key_id;
  if (const auto intact = VerifyChecksum(record); !intact) return intact.error().what;
  const auto decoded_key = decoder_.catalog().FindKey(record.key);
  if (!decoded_key && !IsDamage(decoded_key.error())) return Fail(decoded_key.error());
  if (!decoded_key) return "cannot be decoded: " + decoded_key.error().Message();
  const auto snapshot = DecodeRow(record, **decoded_key);
  if (!snapshot) return snapshot.error().what;
  incarnation = (*decoded_key)->incarnation;
  return std::string();
}

Result<std::string> RecordVerifier::ExaminePlace(const VerifiedOrigin& origin, Sequence sequence,
                                                 Incarnation incarnation) {
  const auto written_by = facts_.IncarnationAt(origin.number, sequence);
  if (!written_by && !IsDamage(written_by.error())) return Fail(written_by.error());
  if (!written_by) {
    context_.findings.AddOnce("table incarnations", written_by.error().what);
  } else if (*written_by != incarnation) {
    return std::string("is of another incarnation than the one that wrote this sequence");
  }
  if (!origin.receiver) return std::string();
  const auto unknown = facts_.NeverStored(origin.number, {sequence, sequence});
  if (!unknown && !IsDamage(unknown.error())) return Fail(unknown.error());
  if (!unknown) {
    context_.findings.AddOnce("table stored", unknown.error().what);
  } else if (*unknown) {
    return std::string("is here, but not among the ranges that were ever stored");
  }
  return std::string();
}

Result<std::string> RecordVerifier::Examine(const VerifiedOrigin& origin, const Statement& row) {
  std::string wrong = ExamineColumns(row);
  if (!wrong.empty()) return wrong;
  StoredRecord record;
  record.sequence = SequenceOf(row.Integer(kId));
  record.time_unix_ns = row.Integer(kTime);
  record.kind = static_cast<RecordKind>(row.Integer(kKind));
  record.encoding = static_cast<Encoding>(row.Integer(kEncoding));
  record.checksum = static_cast<std::uint64_t>(row.Integer(kChecksum));
  record.payload = std::string(row.Blob(kPayload));
  context_.summary.bytes += record.payload.size();
  Incarnation incarnation = 0;
  DOAGENT_ASSIGN(wrong, ExamineContent(record, row.Integer(kKey), incarnation));
  if (!wrong.empty()) return wrong;
  return ExaminePlace(origin, record.sequence, incarnation);
}

Result<void> RecordVerifier::Verify(const VerifiedOrigin& origin) {
  std::optional<std::int64_t> next = origin.first_id();
  while (next) {
    std::size_t rows = 0;
    std::size_t bytes = 0;
    {
      DOAGENT_ASSIGN([[maybe_unused]] const ReadScope scope, ReadScope::Begin(context_.database));
      const auto visit = [&](const Statement& row) -> Result<bool> {
        DOAGENT_ASSIGN(std::string wrong, Examine(origin, row));
        if (!wrong.empty()) {
          context_.findings.Add(origin.Place(SequenceOf(row.Integer(kId)), "record"),
                                std::move(wrong));
        }
        bytes += row.Blob(kPayload).size();
        return ++rows < kVerifyRowsMax && bytes < kVerifyBytesMax;
      };
      const auto unreadable = [&](std::int64_t first, std::int64_t last, const Error& error) {
        context_.findings.Add(origin.Place(SequencesOfIds(first, last), "records"),
                              "cannot be read: " + error.what);
      };
      DOAGENT_ASSIGN(next, ReadPastDamage(select_, *next, origin.last_id(), visit, unreadable));
    }
    context_.Pause("records");
  }
  return {};
}

}  // namespace doagent::spool
