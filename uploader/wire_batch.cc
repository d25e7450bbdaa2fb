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
constexpr std::size_t kBlockOverheadBytes = 64;

// --- Batch, outgoing -----------------------------------------------------------------------------

tl::unexpected<Error> TooMuch(const SpoolId& spool_id, const std::string& what) {
  return Fail(ErrorCode::kPark, "spool id " + spool_id.Hex(), what);
}

std::string NameOf(const spool::SequenceRange& range) {
  return "block " + Number(range.first) + "-" + Number(range.last);
}

Result<void> CheckOutgoing(const OutgoingBatch& batch) {
  if (batch.records.empty() && batch.blocks.empty()) {
    return TooMuch(batch.spool_id, "a batch without a record");
  }
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
  for (const spool::StoredBlock& block : batch.blocks) {
    if (block.payload.size() > spool::kBlockBytesMax) {
      return TooMuch(batch.spool_id, NameOf(block.range) + " has " + Number(block.payload.size()) +
                                         " bytes; the limit is " + Number(spool::kBlockBytesMax));
    }
    bytes += block.bytes() + kBlockOverheadBytes + block.layouts.size() * (ObjectId::kBytes + 2);
  }
  if (bytes > kClientMessageBytesMax) {
    return TooMuch(batch.spool_id, "a batch of " + Number(bytes) + " bytes; the limit is " +
                                       Number(kClientMessageBytesMax));
  }
  return {};
}

// Gives each key of a batch its number, in the order of their first use.
class KeyNumbers {
 public:
  explicit KeyNumbers(v1::Batch* batch) : batch_(batch) {}

  // 1 + index; 0 for none.
  std::uint32_t Of(const ObjectId& id) {
    if (id.IsZero()) return 0;
    if (const auto found = numbers_.find(id); found != numbers_.end()) return found->second;
    batch_->add_keys(std::string(id.bytes()));
    const auto number = static_cast<std::uint32_t>(batch_->keys_size());
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
      in->kind() > static_cast<std::uint32_t>(spool::ObjectKind::kLayout)) {
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

Result<spool::StoredRecord> DecodeRecord(v1::Record* in, const std::vector<ObjectId>& keys) {
  spool::StoredRecord record;
  record.sequence = in->sequence();
  record.time_unix_ns = static_cast<std::int64_t>(in->time_unix_ns());
  record.checksum = in->checksum();
  const std::string name = "record " + Number(record.sequence);
  if (in->key() > keys.size()) {
    return Malformed(name + " names key " + Number(in->key()) + " of " + Number(keys.size()));
  }
  record.kind = in->key() == 0 ? spool::RecordKind::kEvent : spool::RecordKind::kRow;
  if (in->key() > 0) record.key = keys[in->key() - 1];
  DOAGENT_ASSIGN(record.encoding, DecodeEncoding(in->encoding()));
  if (in->payload().size() > spool::kRecordBytesMax) {
    return Malformed(name + " has " + Number(in->payload().size()) + " bytes; the limit is " +
                     Number(spool::kRecordBytesMax));
  }
  record.payload = std::move(*in->mutable_payload());
  return record;
}

Result<spool::StoredBlock> DecodeBlock(v1::StoredBlock* in) {
  spool::StoredBlock block;
  block.range = {in->first(), in->last()};
  const std::string name = NameOf(block.range);
  if (in->payload().size() > spool::kBlockBytesMax) {
    return Malformed(name + " has " + Number(in->payload().size()) + " bytes; the limit is " +
                     Number(spool::kBlockBytesMax));
  }
  if (static_cast<std::size_t>(in->layouts_size()) > spool::kBlockSnapshotsMax) {
    return Malformed(name + " names " + Number(static_cast<std::uint64_t>(in->layouts_size())) +
                     " layouts");
  }
  for (const std::string& id : in->layouts()) {
    DOAGENT_ASSIGN(const ObjectId layout, DecodeId<ObjectId>(id, "a layout's id"));
    block.layouts.push_back(layout);
  }
  block.holes = std::move(*in->mutable_holes());
  block.first_time_unix_ns = static_cast<std::int64_t>(in->first_time_unix_ns());
  block.last_time_unix_ns = static_cast<std::int64_t>(in->last_time_unix_ns());
  DOAGENT_ASSIGN(block.encoding, DecodeEncoding(in->encoding()));
  block.checksum = in->checksum();
  block.payload = std::move(*in->mutable_payload());
  return block;
}

Result<spool::IncomingBatch> DecodeContent(const SpoolId& spool_id, v1::Batch* in) {
  if (static_cast<std::size_t>(in->objects_size()) > kBatchObjectsMax ||
      static_cast<std::size_t>(in->keys_size()) > kBatchObjectsMax) {
    return Malformed("more than " + Number(kBatchObjectsMax) + " objects or keys");
  }
  spool::IncomingBatch batch;
  batch.spool_id = spool_id;
  batch.objects.reserve(static_cast<std::size_t>(in->objects_size()));
  for (v1::Object& object : *in->mutable_objects()) {
    DOAGENT_ASSIGN(spool::StoredObject decoded, DecodeObject(&object));
    batch.objects.push_back(std::move(decoded));
  }
  std::vector<ObjectId> keys;
  for (const std::string& id : in->keys()) {
    DOAGENT_ASSIGN(const ObjectId decoded, DecodeId<ObjectId>(id, "a key's id"));
    keys.push_back(decoded);
  }
  batch.records.reserve(static_cast<std::size_t>(in->records_size()));
  for (v1::Record& record : *in->mutable_records()) {
    DOAGENT_ASSIGN(spool::StoredRecord decoded, DecodeRecord(&record, keys));
    batch.records.push_back(std::move(decoded));
  }
  for (v1::StoredBlock& block : *in->mutable_blocks()) {
    DOAGENT_ASSIGN(spool::StoredBlock decoded, DecodeBlock(&block));
    batch.blocks.push_back(std::move(decoded));
  }
  return batch;
}

Result<void> CheckSequences(const v1::Batch& batch) {
  const auto count = static_cast<std::size_t>(batch.records_size());
  const auto blocks = static_cast<std::size_t>(batch.blocks_size());
  if (count + blocks == 0 || count > kBatchRecordsMax || blocks > kBatchBlocksMax) {
    return Malformed("a batch of " + Number(count) + " records and " + Number(blocks) +
                     " blocks; 1 to " + Number(kBatchRecordsMax) + " records or " +
                     Number(kBatchBlocksMax) + " blocks are allowed");
  }
  Sequence previous = 0;
  for (const v1::Record& record : batch.records()) {
    if (record.sequence() <= previous || record.sequence() > spool::kSequenceMax) {
      return Malformed("sequence " + Number(record.sequence()) + " after " + Number(previous) +
                       ": they must ascend within 1-" + Number(spool::kSequenceMax));
    }
    previous = record.sequence();
  }
  previous = 0;
  for (const v1::StoredBlock& block : batch.blocks()) {
    const bool possible = block.first() > previous && block.last() >= block.first() &&
                          block.last() <= spool::kSequenceMax &&
                          block.last() - block.first() < spool::kBlockSpanMax &&
                          block.holes().size() <= spool::kBlockSpanMax / 8;
    if (!possible) {
      return Malformed(NameOf({block.first(), block.last()}) + " after " + Number(previous) +
                       ": blocks must ascend within 1-" + Number(spool::kSequenceMax) +
                       " and span " + Number(spool::kBlockSpanMax) + " sequences at most");
    }
    previous = block.last();
  }
  return {};
}

spool::RangeSet SequencesOf(const v1::Batch& batch) {
  spool::RangeSet sequences;
  for (const v1::Record& record : batch.records()) {
    sequences.Add({record.sequence(), record.sequence()});
  }
  for (const v1::StoredBlock& in : batch.blocks()) {
    spool::StoredBlock block;
    block.range = {in.first(), in.last()};
    block.holes = in.holes();
    sequences.Add(spool::SequencesOf(block));
  }
  return sequences;
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
  KeyNumbers keys(out);
  for (spool::StoredRecord& record : batch.records) {
    v1::Record* to = out->add_records();
    to->set_sequence(record.sequence);
    to->set_time_unix_ns(static_cast<std::uint64_t>(record.time_unix_ns));
    to->set_encoding(static_cast<std::uint32_t>(record.encoding));
    to->set_key(keys.Of(record.key));
    to->set_checksum(record.checksum);
    to->set_payload(std::move(record.payload));
  }
  for (spool::StoredBlock& block : batch.blocks) {
    v1::StoredBlock* to = out->add_blocks();
    to->set_first(block.range.first);
    to->set_last(block.range.last);
    to->set_holes(std::move(block.holes));
    to->set_first_time_unix_ns(static_cast<std::uint64_t>(block.first_time_unix_ns));
    to->set_last_time_unix_ns(static_cast<std::uint64_t>(block.last_time_unix_ns));
    for (const ObjectId& layout : block.layouts) to->add_layouts(std::string(layout.bytes()));
    to->set_encoding(static_cast<std::uint32_t>(block.encoding));
    to->set_checksum(block.checksum);
    to->set_payload(std::move(block.payload));
  }
  return message.SerializeAsString();
}

Result<ClientMessage> DecodeBatch(v1::Batch* in) {
  DOAGENT_ASSIGN(const SpoolId spool_id, DecodeId<SpoolId>(in->spool_id(), "a batch's spool_id"));
  DOAGENT_TRY(CheckSequences(*in));
  // Now, since decoding moves things out.
  auto sequences = SequencesOf(*in);
  auto batch = DecodeContent(spool_id, in);
  if (batch) return ClientMessage(*std::move(batch));
  return ClientMessage(MalformedBatch{spool_id, std::move(sequences), batch.error().what});
}

}  // namespace doagent::uploader
