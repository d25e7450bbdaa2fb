#include "spool/record_decoder.h"

#include <utility>

#include "spool/check.h"

namespace doagent::spool {

Result<NumberedSnapshot> RecordDecoder::Row(const StoredRecord& record) {
  DOAGENT_CHECK(record.kind == RecordKind::kRow);
  DOAGENT_TRY(VerifyChecksum(record));
  DOAGENT_ASSIGN(const KeyPtr key, catalog_.FindKey(record.key));
  DOAGENT_ASSIGN(Snapshot snapshot, DecodeRow(record, *key));
  return NumberedSnapshot{record.sequence, key->incarnation, std::move(snapshot)};
}

Result<DecodedEvent> RecordDecoder::Event(const StoredRecord& record) {
  DOAGENT_CHECK(record.kind == RecordKind::kEvent);
  DOAGENT_TRY(VerifyChecksum(record));
  return DecodeEvent(record);
}

Result<DecodedBlock> RecordDecoder::Block(const StoredBlock& block) {
  DOAGENT_TRY(VerifyChecksum(block));
  DOAGENT_ASSIGN(const auto layouts, catalog_.FindLayouts(block.layouts));
  return DecodeBlock(block, layouts);
}

}  // namespace doagent::spool
