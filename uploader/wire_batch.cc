// The client's batches of records, with the objects that these name.

#include <unordered_map>
#include <utility>

#include "doagent/v1/ingest.pb.h"
#include "spool/stored.h"
#include "uploader/wire.h"
#include "uploader/wire_internal.h"

namespace doagent::uploader {

namespace {

// What a record or an object takes in a message on top of its payload, at most.
constexpr std::size_t kRecordOverheadBytes = 48;
constexpr std::size_t kObjectOverheadBytes = 40;

// --- Batch, outgoing -----------------------------------------------------------------------------

tl::unexpected<Error> TooMuch(const SpoolId& spool_id, const std::string& what) {
  return Fail(ErrorCode::kPark, "spool id " + spool_id.Hex(), what);
}

Result<void> CheckOutgoing(const OutgoingBatch& batch) {
  if (batch.records.empty()) return TooMuch(batch.spool_id, "a batch without a record");
  if (batch.records.size() > kBatchRecordsMax || batch.objects.size() > kBatchObjectsMax) {
    return TooMuch(batch.spool_id, "a batch of " + Number(batch.records.size()) + " records and " +
                                       Number(batch.objects.size()) + " objects; the limits are " +
                                       Number(kBatchRecordsMax) + " and " +
                                       Number(kBatchObjectsMax));
  }
  std::size_t bytes = 64;
  for (const spool::StoredObject& object : batch.objects) {
    bytes += object.payload.size() + kObjectOverheadBytes;
  }
  Sequence previous = 0;
  for (const spool::StoredRecord& record : batch.records) {
    if (record.sequence <= previous || record.sequence > spool::kSequenceMax) {
      return TooMuch(batch.spool_id, "sequence " + Number(record.sequence) + " after " +
                                         Number(previous) + " in a batch");
    }
    if (record.payload.size() > spool::kRecordBytesMax) {
      return TooMuch(batch.spool_id, "record " + Number(record.sequence) + " has " +
                                         Number(record.payload.size()) + " bytes; the limit is " +
                                         Number(spool::kRecordBytesMax));
    }
    previous = record.sequence;
    bytes += record.payload.size() + kRecordOverheadBytes + ObjectId::kBytes + 2;
  }
  if (bytes > kClientMessageBytesMax) {
    return TooMuch(batch.spool_id, "a batch of " + Number(bytes) + " bytes; the limit is " +
                                       Number(kClientMessageBytesMax));
  }
  return {};
}

// Gives each key set of a batch its number, in the order of their first use.
class KeySetNumbers {
 public:
  explicit KeySetNumbers(v1::Batch* batch) : batch_(batch) {}

  // 1 + index; 0 for none.
  std::uint32_t Of(const ObjectId& id) {
    if (id.IsZero()) return 0;
    if (const auto found = numbers_.find(id); found != numbers_.end()) return found->second;
    batch_->add_key_sets(std::string(id.bytes()));
    const auto number = static_cast<std::uint32_t>(batch_->key_sets_size());
    numbers_.emplace(id, number);
    return number;
  }

 private:
  v1::Batch* batch_;
  std::unordered_map<ObjectId, std::uint32_t, ObjectId::Hash> numbers_;
};

// --- Batch, incoming -----------------------------------------------------------------------------

Result<spool::Encoding> DecodeEncoding(std::uint32_t encoding) {
  switch (encoding) {
    case static_cast<std::uint32_t>(spool::Encoding::kPlain): return spool::Encoding::kPlain;
    case static_cast<std::uint32_t>(spool::Encoding::kZstd): return spool::Encoding::kZstd;
    default: return Malformed("encoding " + Number(encoding) + " is not known here");
  }
}

Result<spool::StoredObject> DecodeObject(v1::Object* in) {
  spool::StoredObject object;
  DOAGENT_ASSIGN(object.id, DecodeId<ObjectId>(in->id(), "an object's id"));
  if (in->kind() < static_cast<std::uint32_t>(spool::ObjectKind::kSchema) ||
      in->kind() > static_cast<std::uint32_t>(spool::ObjectKind::kKeySet)) {
    return Malformed("object kind " + Number(in->kind()) + " is not known here");
  }
  object.kind = static_cast<spool::ObjectKind>(in->kind());
  DOAGENT_ASSIGN(object.encoding, DecodeEncoding(in->encoding()));
  if (in->payload().size() > spool::kObjectBytesMax) {
    return Malformed("object " + object.id.Hex() + " has " + Number(in->payload().size()) +
                     " bytes; the limit is " + Number(spool::kObjectBytesMax));
  }
  object.payload = std::move(*in->mutable_payload());
  return object;
}

Result<spool::StoredRecord> DecodeRecord(v1::Record* in, const std::vector<ObjectId>& key_sets) {
  spool::StoredRecord record;
  record.sequence = in->sequence();
  record.time_unix_ns = static_cast<std::int64_t>(in->time_unix_ns());
  record.checksum = in->checksum();
  const std::string name = "record " + Number(record.sequence);
  if (in->key_set() > key_sets.size()) {
    return Malformed(name + " names key set " + Number(in->key_set()) + " of " +
                     Number(key_sets.size()));
  }
  record.kind = in->key_set() == 0 ? spool::RecordKind::kEvent : spool::RecordKind::kRow;
  if (in->key_set() > 0) record.key_set = key_sets[in->key_set() - 1];
  DOAGENT_ASSIGN(record.encoding, DecodeEncoding(in->encoding()));
  if (in->payload().size() > spool::kRecordBytesMax) {
    return Malformed(name + " has " + Number(in->payload().size()) + " bytes; the limit is " +
                     Number(spool::kRecordBytesMax));
  }
  record.payload = std::move(*in->mutable_payload());
  return record;
}

Result<spool::IncomingBatch> DecodeContent(const SpoolId& spool_id, v1::Batch* in) {
  if (static_cast<std::size_t>(in->objects_size()) > kBatchObjectsMax ||
      static_cast<std::size_t>(in->key_sets_size()) > kBatchObjectsMax) {
    return Malformed("more than " + Number(kBatchObjectsMax) + " objects or key sets");
  }
  spool::IncomingBatch batch;
  batch.spool_id = spool_id;
  batch.objects.reserve(static_cast<std::size_t>(in->objects_size()));
  for (v1::Object& object : *in->mutable_objects()) {
    DOAGENT_ASSIGN(spool::StoredObject decoded, DecodeObject(&object));
    batch.objects.push_back(std::move(decoded));
  }
  std::vector<ObjectId> key_sets;
  for (const std::string& id : in->key_sets()) {
    DOAGENT_ASSIGN(const ObjectId decoded, DecodeId<ObjectId>(id, "a key set's id"));
    key_sets.push_back(decoded);
  }
  batch.records.reserve(static_cast<std::size_t>(in->records_size()));
  for (v1::Record& record : *in->mutable_records()) {
    DOAGENT_ASSIGN(spool::StoredRecord decoded, DecodeRecord(&record, key_sets));
    batch.records.push_back(std::move(decoded));
  }
  return batch;
}

Result<void> CheckSequences(const v1::Batch& batch) {
  const auto count = static_cast<std::size_t>(batch.records_size());
  if (count == 0 || count > kBatchRecordsMax) {
    return Malformed("a batch of " + Number(count) + " records; 1 to " + Number(kBatchRecordsMax) +
                     " are allowed");
  }
  Sequence previous = 0;
  for (const v1::Record& record : batch.records()) {
    if (record.sequence() <= previous || record.sequence() > spool::kSequenceMax) {
      return Malformed("sequence " + Number(record.sequence()) + " after " + Number(previous) +
                       ": they must ascend within 1-" + Number(spool::kSequenceMax));
    }
    previous = record.sequence();
  }
  return {};
}

}  // namespace

Result<std::string> EncodeBatch(OutgoingBatch&& batch) {
  DOAGENT_TRY(CheckOutgoing(batch));
  v1::ClientMessage message;
  v1::Batch* out = message.mutable_batch();
  out->set_spool_id(std::string(batch.spool_id.bytes()));
  for (spool::StoredObject& object : batch.objects) {
    v1::Object* to = out->add_objects();
    to->set_id(std::string(object.id.bytes()));
    to->set_kind(static_cast<std::uint32_t>(object.kind));
    to->set_encoding(static_cast<std::uint32_t>(object.encoding));
    to->set_payload(std::move(object.payload));
  }
  KeySetNumbers key_sets(out);
  for (spool::StoredRecord& record : batch.records) {
    v1::Record* to = out->add_records();
    to->set_sequence(record.sequence);
    to->set_time_unix_ns(static_cast<std::uint64_t>(record.time_unix_ns));
    to->set_encoding(static_cast<std::uint32_t>(record.encoding));
    to->set_key_set(key_sets.Of(record.key_set));
    to->set_checksum(record.checksum);
    to->set_payload(std::move(record.payload));
  }
  return message.SerializeAsString();
}

Result<ClientMessage> DecodeBatch(v1::Batch* in) {
  DOAGENT_ASSIGN(const SpoolId spool_id, DecodeId<SpoolId>(in->spool_id(), "a batch's spool_id"));
  DOAGENT_TRY(CheckSequences(*in));
  auto batch = DecodeContent(spool_id, in);
  if (batch) return ClientMessage(*std::move(batch));
  spool::RangeSet ranges;
  for (const v1::Record& record : in->records()) ranges.Add({record.sequence(), record.sequence()});
  return ClientMessage(MalformedBatch{spool_id, std::move(ranges), batch.error().what});
}

}  // namespace doagent::uploader
