// The receiver's messages: Welcome, Ack, Refuse, Control, Heartbeat.

#include <algorithm>
#include <utility>

#include "doagent/v1/ingest.pb.h"
#include "uploader/wire.h"
#include "uploader/wire_internal.h"

namespace doagent::uploader {

namespace {

using std::chrono::milliseconds;

// Ranges, and claims or missing objects, of the largest message.
constexpr std::size_t kFieldsMax = kMessageRangesMax + kBatchObjectsMax + 3 * kClaimsMax + 16;

std::uint64_t EncodePeriod(milliseconds period) {
  return static_cast<std::uint64_t>(std::max<milliseconds::rep>(period.count(), 0));
}

milliseconds DecodePeriod(std::uint64_t period_ms) {
  const auto max_ms = static_cast<std::uint64_t>(kPeriodMax.count());
  return milliseconds(static_cast<milliseconds::rep>(std::min(period_ms, max_ms)));
}

void AddRange(spool::SequenceRange range,
              google::protobuf::RepeatedPtrField<v1::SequenceRange>* out) {
  v1::SequenceRange* to = out->Add();
  to->set_first(range.first);
  to->set_last(range.last);
}

// Calls encode(begin, end) for parts of at most kMessageRangesMax ranges.
template <typename Encode>
std::vector<std::string> InParts(const std::vector<spool::SequenceRange>& ranges, Encode encode) {
  std::vector<std::string> messages;
  for (std::size_t begin = 0; begin < ranges.size(); begin += kMessageRangesMax) {
    const std::size_t count = std::min(ranges.size() - begin, kMessageRangesMax);
    messages.push_back(encode(ranges.data() + begin, ranges.data() + begin + count));
  }
  return messages;
}

v1::Refuse::Reason EncodeReason(RefuseReason reason) {
  switch (reason) {
    case RefuseReason::kPermanent: return v1::Refuse::REASON_PERMANENT;
    case RefuseReason::kRetry: return v1::Refuse::REASON_RETRY;
    case RefuseReason::kMissingObject: return v1::Refuse::REASON_MISSING_OBJECT;
    case RefuseReason::kEpochConflict: return v1::Refuse::REASON_EPOCH_CONFLICT;
  }
  return v1::Refuse::REASON_UNSPECIFIED;
}

Result<RefuseReason> DecodeReason(v1::Refuse::Reason reason) {
  switch (reason) {
    case v1::Refuse::REASON_PERMANENT: return RefuseReason::kPermanent;
    case v1::Refuse::REASON_RETRY: return RefuseReason::kRetry;
    case v1::Refuse::REASON_MISSING_OBJECT: return RefuseReason::kMissingObject;
    case v1::Refuse::REASON_EPOCH_CONFLICT: return RefuseReason::kEpochConflict;
    default:
      return Malformed("refuse reason " + std::to_string(static_cast<int>(reason)) +
                       " is not known here");
  }
}

Result<void> CheckText(const std::string& text, std::size_t bytes_max, const char* name) {
  if (text.size() <= bytes_max) return {};
  return Malformed(std::string(name) + " has " + Number(text.size()) + " bytes; the limit is " +
                   Number(bytes_max));
}

Result<TransportEvent> DecodeWelcome(const v1::Welcome& in) {
  if (in.protocol_version() != kProtocolVersion) {
    return Malformed("the receiver answers with protocol version " + Number(in.protocol_version()) +
                     "; this program has " + Number(kProtocolVersion));
  }
  DOAGENT_TRY(CheckText(in.receiver_name(), kTextBytesMax, "receiver_name"));
  if (static_cast<std::size_t>(in.stored_size()) > kClaimsMax ||
      static_cast<std::size_t>(in.conflicts_size()) > kClaimsMax) {
    return Malformed("a welcome for more than " + Number(kClaimsMax) + " claims");
  }
  Welcome welcome;
  DOAGENT_ASSIGN(welcome.receiver, DecodeId<ReceiverId>(in.receiver_id(), "receiver_id"));
  welcome.receiver_name = CleanText(in.receiver_name(), kTextBytesMax);
  for (const v1::StoredRanges& stored : in.stored()) {
    StoredAtReceiver at_receiver;
    DOAGENT_ASSIGN(at_receiver.spool_id, DecodeId<SpoolId>(stored.spool_id(), "stored spool_id"));
    DOAGENT_ASSIGN(at_receiver.ranges, DecodeRanges(stored.ranges()));
    welcome.stored.push_back(std::move(at_receiver));
  }
  for (const std::string& id : in.conflicts()) {
    DOAGENT_ASSIGN(const SpoolId conflict, DecodeId<SpoolId>(id, "a conflict's spool id"));
    welcome.conflicts.push_back(conflict);
  }
  welcome.window_bytes = in.window_bytes();
  welcome.batch_bytes_max = in.batch_bytes_max();
  welcome.interval = DecodePeriod(in.interval_ms());
  return TransportEvent(std::move(welcome));
}

Result<TransportEvent> DecodeAck(const v1::Ack& in) {
  Ack ack;
  DOAGENT_ASSIGN(ack.spool_id, DecodeId<SpoolId>(in.spool_id(), "an ack's spool_id"));
  DOAGENT_ASSIGN(ack.ranges, DecodeRanges(in.ranges()));
  return TransportEvent(std::move(ack));
}

Result<TransportEvent> DecodeRefuse(const v1::Refuse& in) {
  DOAGENT_TRY(CheckText(in.detail(), kDetailBytesMax, "detail"));
  if (static_cast<std::size_t>(in.missing_objects_size()) > kBatchObjectsMax) {
    return Malformed("more than " + Number(kBatchObjectsMax) + " missing objects");
  }
  Refused refused;
  DOAGENT_ASSIGN(refused.spool_id, DecodeId<SpoolId>(in.spool_id(), "a refusal's spool_id"));
  DOAGENT_ASSIGN(refused.ranges, DecodeRanges(in.ranges()));
  DOAGENT_ASSIGN(refused.reason, DecodeReason(in.reason()));
  refused.detail = CleanText(in.detail(), kDetailBytesMax);
  refused.retry_after = DecodePeriod(in.retry_after_ms());
  for (const std::string& id : in.missing_objects()) {
    DOAGENT_ASSIGN(const ObjectId missing, DecodeId<ObjectId>(id, "a missing object's id"));
    refused.missing_objects.push_back(missing);
  }
  return TransportEvent(std::move(refused));
}

}  // namespace

std::string EncodeWelcome(const Welcome& welcome) {
  v1::ServerMessage message;
  v1::Welcome* out = message.mutable_welcome();
  out->set_protocol_version(kProtocolVersion);
  out->set_receiver_id(std::string(welcome.receiver.bytes()));
  out->set_receiver_name(CleanText(welcome.receiver_name, kTextBytesMax));
  std::size_t room = kMessageRangesMax;
  for (const StoredAtReceiver& stored : welcome.stored) {
    v1::StoredRanges* to = out->add_stored();
    to->set_spool_id(std::string(stored.spool_id.bytes()));
    for (const spool::SequenceRange range : stored.ranges.ToVector()) {
      if (room == 0) break;
      AddRange(range, to->mutable_ranges());
      --room;
    }
  }
  for (const SpoolId& id : welcome.conflicts) out->add_conflicts(std::string(id.bytes()));
  out->set_window_bytes(welcome.window_bytes);
  out->set_batch_bytes_max(welcome.batch_bytes_max);
  out->set_interval_ms(EncodePeriod(welcome.interval));
  return message.SerializeAsString();
}

std::vector<std::string> EncodeAck(const Ack& ack) {
  return InParts(ack.ranges.ToVector(), [&](const auto* begin, const auto* end) {
    v1::ServerMessage message;
    v1::Ack* out = message.mutable_ack();
    out->set_spool_id(std::string(ack.spool_id.bytes()));
    std::for_each(begin, end, [out](const auto& range) { AddRange(range, out->mutable_ranges()); });
    return message.SerializeAsString();
  });
}

std::vector<std::string> EncodeRefused(const Refused& refused) {
  return InParts(refused.ranges.ToVector(), [&](const auto* begin, const auto* end) {
    v1::ServerMessage message;
    v1::Refuse* out = message.mutable_refuse();
    out->set_spool_id(std::string(refused.spool_id.bytes()));
    std::for_each(begin, end, [out](const auto& range) { AddRange(range, out->mutable_ranges()); });
    out->set_reason(EncodeReason(refused.reason));
    out->set_detail(CleanText(refused.detail, kDetailBytesMax));
    out->set_retry_after_ms(EncodePeriod(refused.retry_after));
    const std::size_t missing = std::min(refused.missing_objects.size(), kBatchObjectsMax);
    for (std::size_t i = 0; i < missing; ++i) {
      out->add_missing_objects(std::string(refused.missing_objects[i].bytes()));
    }
    return message.SerializeAsString();
  });
}

std::string EncodeControl(const Control& control) {
  v1::ServerMessage message;
  message.mutable_control()->set_interval_ms(EncodePeriod(control.interval));
  message.mutable_control()->set_pause_ms(EncodePeriod(control.pause));
  return message.SerializeAsString();
}

std::string EncodeHeartbeat() {
  v1::ServerMessage message;
  message.mutable_heartbeat();
  return message.SerializeAsString();
}

Result<TransportEvent> DecodeServerMessage(std::string_view bytes) {
  if (bytes.size() > kServerMessageBytesMax) {
    return Malformed(Number(bytes.size()) + " bytes; the limit is " +
                     Number(kServerMessageBytesMax));
  }
  DOAGENT_TRY(CheckFieldCount(
      bytes,
      {{v1::ServerMessage::kWelcomeFieldNumber, {{v1::Welcome::kStoredFieldNumber, {}}}},
       {v1::ServerMessage::kAckFieldNumber, {}},
       {v1::ServerMessage::kRefuseFieldNumber, {}}},
      kFieldsMax));
  v1::ServerMessage message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Malformed("not a ServerMessage");
  }
  switch (message.body_case()) {
    case v1::ServerMessage::kWelcome: return DecodeWelcome(message.welcome());
    case v1::ServerMessage::kAck: return DecodeAck(message.ack());
    case v1::ServerMessage::kRefuse: return DecodeRefuse(message.refuse());
    case v1::ServerMessage::kControl:
      return TransportEvent(Control{DecodePeriod(message.control().interval_ms()),
                                    DecodePeriod(message.control().pause_ms())});
    case v1::ServerMessage::kHeartbeat: return TransportEvent(Heartbeat{});
    case v1::ServerMessage::BODY_NOT_SET: break;
  }
  return Malformed("a message that this program does not know");
}

}  // namespace doagent::uploader
