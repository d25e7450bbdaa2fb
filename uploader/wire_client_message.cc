// The frame of the client's messages.

#include "doagent/v1/ingest.pb.h"
#include "uploader/wire.h"
#include "uploader/wire_internal.h"

namespace doagent::uploader {

namespace {

// Records, objects, keys and blocks of a full batch, which are more than a Hello's claims and
// incarnations; and what the blocks have, one layout each being usual.
constexpr std::size_t kFieldsMax =
    kBatchRecordsMax + 2 * kBatchObjectsMax + 10 * kBatchBlocksMax + 16;
static_assert(kFieldsMax >= kHelloIncarnationsMax + 8 * kClaimsMax);

}  // namespace

Result<ClientMessage> DecodeClientMessage(std::string_view bytes) {
  if (bytes.size() > kClientMessageBytesMax) {
    return Malformed(Number(bytes.size()) + " bytes; the limit is " +
                     Number(kClientMessageBytesMax));
  }
  DOAGENT_TRY(CheckFieldCount(
      bytes,
      {{v1::ClientMessage::kHelloFieldNumber, {{v1::Hello::kSpoolsFieldNumber, {}}}},
       {v1::ClientMessage::kBatchFieldNumber, {{v1::Batch::kBlocksFieldNumber, {}}}}},
      kFieldsMax));
  v1::ClientMessage message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Malformed("not a ClientMessage");
  }
  switch (message.body_case()) {
    case v1::ClientMessage::kHello: {
      DOAGENT_ASSIGN(Hello hello, DecodeHello(message.hello()));
      return ClientMessage(std::move(hello));
    }
    case v1::ClientMessage::kBatch: return DecodeBatch(message.mutable_batch());
    case v1::ClientMessage::BODY_NOT_SET: break;
  }
  return Malformed("neither Hello nor Batch");
}

}  // namespace doagent::uploader
