// What a receiver sends to an agent. Whatever passes is within the limits, and says the same when
// it is sent again.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "spool/check.h"
#include "spool/stored.h"
#include "uploader/wire.h"

namespace {

using namespace doagent::uploader;

template <typename T>
T Again(const std::string& bytes) {
  DOAGENT_CHECK(bytes.size() <= kServerMessageBytesMax);
  const auto event = DecodeServerMessage(bytes);
  DOAGENT_CHECK(event);
  return std::get<T>(*event);
}

void Check(const doagent::spool::RangeSet& ranges) {
  DOAGENT_CHECK(ranges.empty() || ranges.first() >= 1);
  DOAGENT_CHECK(ranges.empty() || ranges.last() <= doagent::spool::kSequenceMax);
}

void Check(const Welcome& welcome) {
  DOAGENT_CHECK(welcome.stored.size() <= kClaimsMax && welcome.conflicts.size() <= kClaimsMax);
  DOAGENT_CHECK(welcome.receiver_name.size() <= kTextBytesMax);
  DOAGENT_CHECK(welcome.interval <= kPeriodMax);
  for (const auto& stored : welcome.stored) Check(stored.ranges);
  DOAGENT_CHECK(Again<Welcome>(EncodeWelcome(welcome)).stored.size() == welcome.stored.size());
}

void Check(const Ack& ack) {
  Check(ack.ranges);
  doagent::spool::RangeSet ranges;
  for (const auto& part : EncodeAck(ack)) ranges.Add(Again<Ack>(part).ranges);
  DOAGENT_CHECK(ranges == ack.ranges);
}

void Check(const Refused& refused) {
  Check(refused.ranges);
  DOAGENT_CHECK(refused.detail.size() <= kDetailBytesMax);
  DOAGENT_CHECK(refused.retry_after <= kPeriodMax);
  for (const auto& part : EncodeRefused(refused)) {
    DOAGENT_CHECK(Again<Refused>(part).missing_objects == refused.missing_objects);
  }
}

void Check(const Control& control) {
  DOAGENT_CHECK(control.interval <= kPeriodMax && control.pause <= kPeriodMax);
  DOAGENT_CHECK(Again<Control>(EncodeControl(control)).pause == control.pause);
}

void Check(const Heartbeat&) {}

void Check(const Closed&) {
  DOAGENT_CHECK(false);  // is no message
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto event = DecodeServerMessage({reinterpret_cast<const char*>(data), size});
  if (event) std::visit([](const auto& body) { Check(body); }, *event);
  return 0;
}
