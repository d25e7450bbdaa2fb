// What a client sends to a receiver, before anybody has looked at it. Whatever passes is within the
// limits, and says the same when it is sent again.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>

#include "spool/check.h"
#include "spool/stored.h"
#include "uploader/wire.h"

namespace {

using doagent::uploader::ClientMessage;
using doagent::uploader::DecodeClientMessage;
using doagent::uploader::Hello;
using doagent::uploader::MalformedBatch;

void Check(const Hello& hello) {
  DOAGENT_CHECK(!hello.claims.empty() && hello.claims.size() <= doagent::uploader::kClaimsMax);
  for (const auto& claim : hello.claims) {
    DOAGENT_CHECK(!claim.spool_id.IsZero() && claim.head <= doagent::spool::kSequenceMax);
    DOAGENT_CHECK(claim.first_pending >= 1 && claim.first_pending <= claim.head + 1);
    DOAGENT_CHECK(claim.incarnations.size() <= doagent::uploader::kIncarnationsMax);
    DOAGENT_CHECK(claim.host.hostname.size() <= doagent::uploader::kTextBytesMax);
  }
  const auto bytes = doagent::uploader::EncodeHello(hello);
  DOAGENT_CHECK(bytes);
  const auto again = DecodeClientMessage(*bytes);
  DOAGENT_CHECK(again && std::get<Hello>(*again).claims.size() == hello.claims.size());
}

void Check(const doagent::spool::IncomingBatch& batch) {
  DOAGENT_CHECK(batch.records.size() <= doagent::uploader::kBatchRecordsMax);
  DOAGENT_CHECK(batch.objects.size() <= doagent::uploader::kBatchObjectsMax);
  doagent::Sequence previous = 0;
  for (const auto& record : batch.records) {
    DOAGENT_CHECK(record.sequence > previous && record.sequence <= doagent::spool::kSequenceMax);
    DOAGENT_CHECK(record.payload.size() <= doagent::spool::kRecordBytesMax);
    DOAGENT_CHECK((record.kind == doagent::spool::RecordKind::kRow) != record.key.IsZero());
    previous = record.sequence;
  }
  doagent::uploader::OutgoingBatch out{batch.spool_id, batch.objects, batch.records, batch.blocks};
  const auto bytes = doagent::uploader::EncodeBatch(std::move(out));
  if (!bytes) return;  // sending reckons with a little more than it takes
  const auto again = DecodeClientMessage(*bytes);
  DOAGENT_CHECK(again);
  const auto& received = std::get<doagent::spool::IncomingBatch>(*again);
  DOAGENT_CHECK(received.records.size() == batch.records.size());
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    DOAGENT_CHECK(received.records[i].payload == batch.records[i].payload);
    DOAGENT_CHECK(received.records[i].key == batch.records[i].key);
  }
}

void Check(const MalformedBatch& malformed) {
  DOAGENT_CHECK(!malformed.ranges.empty() && !malformed.detail.empty());
  DOAGENT_CHECK(malformed.ranges.last() <= doagent::spool::kSequenceMax);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = DecodeClientMessage({reinterpret_cast<const char*>(data), size});
  if (message) std::visit([](const auto& body) { Check(body); }, *message);
  return 0;
}
