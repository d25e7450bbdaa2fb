// Welcome, Ack, Refuse, Control, Heartbeat: round trips, every limit. And text.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "doagent/v1/ingest.pb.h"
#include "spool/stored.h"
#include "tests/uploader/wire_support.h"
#include "uploader/wire.h"

namespace doagent::uploader {
namespace {

using spool::RangeSet;
using testing::HasSubstr;

Welcome MakeWelcome() {
  Welcome welcome;
  welcome.receiver = MakeId<ReceiverId>(3);
  welcome.receiver_name = "receiver-1";
  welcome.stored.push_back({MakeId<SpoolId>(1), RangeSet({{1, 5}, {9, 9}})});
  welcome.stored.push_back({MakeId<SpoolId>(2), RangeSet()});
  welcome.conflicts = {MakeId<SpoolId>(2)};
  welcome.window_bytes = 4 << 20;
  welcome.batch_bytes_max = kBatchBytesMax;
  welcome.interval = std::chrono::seconds(10);
  return welcome;
}

Refused MakeRefused() {
  Refused refused;
  refused.spool_id = MakeId<SpoolId>(1);
  refused.ranges = RangeSet({{3, 4}});
  refused.reason = RefuseReason::kMissingObject;
  refused.detail = "no such key";
  refused.retry_after = std::chrono::seconds(5);
  refused.missing_objects = {MakeId<ObjectId>(50)};
  return refused;
}

template <typename T>
T Decoded(const std::string& bytes) {
  const auto event = DecodeServerMessage(bytes);
  EXPECT_TRUE(event) << event.error().Message();
  return std::get<T>(*event);
}

TEST(WireServerMessage, WelcomeRoundTrip) {
  const auto welcome = Decoded<Welcome>(EncodeWelcome(MakeWelcome()));
  EXPECT_EQ(welcome.receiver, MakeId<ReceiverId>(3));
  EXPECT_EQ(welcome.receiver_name, "receiver-1");
  ASSERT_EQ(welcome.stored.size(), 2U);
  EXPECT_EQ(welcome.stored[0].spool_id, MakeId<SpoolId>(1));
  EXPECT_EQ(welcome.stored[0].ranges, RangeSet({{1, 5}, {9, 9}}));
  EXPECT_TRUE(welcome.stored[1].ranges.empty());
  EXPECT_EQ(welcome.conflicts, std::vector<SpoolId>{MakeId<SpoolId>(2)});
  EXPECT_EQ(welcome.window_bytes, std::uint64_t{4} << 20);
  EXPECT_EQ(welcome.batch_bytes_max, kBatchBytesMax);
  EXPECT_EQ(welcome.interval, std::chrono::seconds(10));
}

TEST(WireServerMessage, LargestWelcomeFits) {
  Welcome welcome = MakeWelcome();
  welcome.stored.clear();
  welcome.conflicts.clear();
  for (std::uint64_t i = 0; i < kClaimsMax; ++i) {
    RangeSet ranges;
    for (Sequence n = 0; n < 40; ++n) {
      ranges.Add({spool::kSequenceMax - 2 * n, spool::kSequenceMax - 2 * n});
    }
    welcome.stored.push_back({MakeId<SpoolId>(i), ranges});
    welcome.conflicts.push_back(MakeId<SpoolId>(i));
  }
  const auto decoded = Decoded<Welcome>(EncodeWelcome(welcome));
  EXPECT_EQ(decoded.stored.size(), kClaimsMax);
  EXPECT_EQ(decoded.stored.front().ranges, welcome.stored.front().ranges);
  EXPECT_TRUE(decoded.stored.back().ranges.empty()) << "there is room for so many ranges only";
}

TEST(WireServerMessage, AckRoundTrip) {
  const auto messages = EncodeAck({MakeId<SpoolId>(1), RangeSet({{1, 5}, {9, 9}})});
  ASSERT_EQ(messages.size(), 1U);
  const auto ack = Decoded<Ack>(messages[0]);
  EXPECT_EQ(ack.spool_id, MakeId<SpoolId>(1));
  EXPECT_EQ(ack.ranges, RangeSet({{1, 5}, {9, 9}}));
  EXPECT_TRUE(EncodeAck({MakeId<SpoolId>(1), RangeSet()}).empty());
}

TEST(WireServerMessage, LongAcksComeInParts) {
  RangeSet ranges;
  for (Sequence n = 1; n <= kBatchRecordsMax; ++n) ranges.Add({2 * n, 2 * n});
  const auto messages = EncodeAck({MakeId<SpoolId>(1), ranges});
  EXPECT_EQ(messages.size(), kBatchRecordsMax / kMessageRangesMax);
  RangeSet acknowledged;
  for (const std::string& message : messages) {
    EXPECT_LE(message.size(), kServerMessageBytesMax);
    acknowledged.Add(Decoded<Ack>(message).ranges);
  }
  EXPECT_EQ(acknowledged, ranges);
}

TEST(WireServerMessage, RefusedRoundTrip) {
  for (const RefuseReason reason : {RefuseReason::kPermanent, RefuseReason::kRetry,
                                    RefuseReason::kMissingObject, RefuseReason::kEpochConflict}) {
    Refused sent = MakeRefused();
    sent.reason = reason;
    const auto messages = EncodeRefused(sent);
    ASSERT_EQ(messages.size(), 1U);
    const auto refused = Decoded<Refused>(messages[0]);
    EXPECT_EQ(refused.spool_id, sent.spool_id);
    EXPECT_EQ(refused.ranges, sent.ranges);
    EXPECT_EQ(refused.reason, reason);
    EXPECT_EQ(refused.detail, sent.detail);
    EXPECT_EQ(refused.retry_after, sent.retry_after);
    EXPECT_EQ(refused.missing_objects, sent.missing_objects);
  }
}

TEST(WireServerMessage, ControlAndHeartbeatRoundTrip) {
  const auto control =
      Decoded<Control>(EncodeControl({std::chrono::seconds(30), std::chrono::minutes(2)}));
  EXPECT_EQ(control.interval, std::chrono::seconds(30));
  EXPECT_EQ(control.pause, std::chrono::minutes(2));
  Decoded<Heartbeat>(EncodeHeartbeat());
}

TEST(WireServerMessage, PeriodsAreCut) {
  v1::ServerMessage message;
  message.mutable_control()->set_pause_ms(std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(Decoded<Control>(message.SerializeAsString()).pause, kPeriodMax);
}

TEST(WireServerMessage, ShowsNoControlCharacters) {
  v1::ServerMessage message;
  ASSERT_TRUE(message.ParseFromString(EncodeWelcome(MakeWelcome())));
  message.mutable_welcome()->set_receiver_name("a\x1B[2Jb");
  EXPECT_EQ(Decoded<Welcome>(message.SerializeAsString()).receiver_name, "a?[2Jb");
}

struct BadServerMessage {
  const char* name;
  void (*make)(v1::ServerMessage* message);
  const char* complaint;
};

class WireBadServerMessage : public testing::TestWithParam<BadServerMessage> {};

TEST_P(WireBadServerMessage, IsRefused) {
  v1::ServerMessage message;
  GetParam().make(&message);
  const auto decoded = DecodeServerMessage(message.SerializeAsString());
  ASSERT_FALSE(decoded);
  EXPECT_THAT(decoded.error().Message(), HasSubstr(GetParam().complaint));
}

void BadRange(v1::ServerMessage* message, Sequence first, Sequence last) {
  message->mutable_ack()->set_spool_id(Bytes(MakeId<SpoolId>(1)));
  auto* good = message->mutable_ack()->add_ranges();
  good->set_first(5);
  good->set_last(6);
  auto* bad = message->mutable_ack()->add_ranges();
  bad->set_first(first);
  bad->set_last(last);
}

INSTANTIATE_TEST_SUITE_P(
    All, WireBadServerMessage,
    testing::Values(
        BadServerMessage{"Nothing", [](v1::ServerMessage*) {}, "does not know"},
        BadServerMessage{"Version",
                         [](v1::ServerMessage* m) {
                           m->ParseFromString(EncodeWelcome(MakeWelcome()));
                           m->mutable_welcome()->set_protocol_version(kProtocolVersion + 1);
                         },
                         "the receiver answers with protocol version"},
        BadServerMessage{"ReceiverId",
                         [](v1::ServerMessage* m) {
                           m->ParseFromString(EncodeWelcome(MakeWelcome()));
                           m->mutable_welcome()->set_receiver_id("");
                         },
                         "receiver_id"},
        BadServerMessage{"Conflict",
                         [](v1::ServerMessage* m) {
                           m->ParseFromString(EncodeWelcome(MakeWelcome()));
                           m->mutable_welcome()->add_conflicts("x");
                         },
                         "conflict"},
        BadServerMessage{"ManyClaims",
                         [](v1::ServerMessage* m) {
                           m->ParseFromString(EncodeWelcome(MakeWelcome()));
                           while (m->welcome().stored_size() <= static_cast<int>(kClaimsMax)) {
                             m->mutable_welcome()->add_stored();
                           }
                         },
                         "1024 claims"},
        BadServerMessage{"Touching", [](v1::ServerMessage* m) { BadRange(m, 6, 7); }, "range 6-7"},
        BadServerMessage{"Reversed", [](v1::ServerMessage* m) { BadRange(m, 9, 8); }, "range 9-8"},
        BadServerMessage{"Beyond",
                         [](v1::ServerMessage* m) { BadRange(m, 9, spool::kSequenceMax + 1); },
                         "ascend"},
        BadServerMessage{"Zero",
                         [](v1::ServerMessage* m) {
                           m->mutable_ack()->set_spool_id(Bytes(MakeId<SpoolId>(1)));
                           m->mutable_ack()->add_ranges();
                         },
                         "range 0-0"},
        BadServerMessage{"AckWithoutId", [](v1::ServerMessage* m) { m->mutable_ack(); },
                         "spool_id"},
        BadServerMessage{"Reason",
                         [](v1::ServerMessage* m) {
                           m->mutable_refuse()->set_spool_id(Bytes(MakeId<SpoolId>(1)));
                         },
                         "refuse reason 0"},
        BadServerMessage{
            "Detail",
            [](v1::ServerMessage* m) { m->mutable_refuse()->set_detail(std::string(1025, 'x')); },
            "detail has 1025 bytes"}),
    [](const auto& test) { return test.param.name; });

TEST(WireServerMessage, CountsBeforeItAllocates) {
  v1::ServerMessage message;
  auto* ack = message.mutable_ack();
  ack->set_spool_id(Bytes(MakeId<SpoolId>(1)));
  for (int i = 0; i < 100'000; ++i) ack->add_ranges();
  const auto decoded = DecodeServerMessage(message.SerializeAsString());
  ASSERT_FALSE(decoded);
  EXPECT_THAT(decoded.error().what, HasSubstr("fields"));
}

rc::Gen<RangeSet> AnyRanges() {
  return rc::gen::map(rc::gen::container<std::vector<std::pair<std::uint16_t, std::uint8_t>>>(
                          rc::gen::arbitrary<std::pair<std::uint16_t, std::uint8_t>>()),
                      [](const auto& starts) {
                        RangeSet ranges;
                        for (const auto& [first, length] : starts) {
                          ranges.Add({first + Sequence{1}, first + Sequence{1} + length});
                        }
                        return ranges;
                      });
}

RC_GTEST_PROP(WireServerMessage, AcksSurvive, ()) {
  const RangeSet ranges = *AnyRanges();
  RangeSet decoded;
  for (const auto& message : EncodeAck({MakeId<SpoolId>(1), ranges})) {
    decoded.Add(Decoded<Ack>(message).ranges);
  }
  RC_ASSERT(decoded == ranges);
}

// --- Text ----------------------------------------------------------------------------------------

TEST(WireCleanText, KeepsWhatIsUtf8) {
  EXPECT_EQ(CleanText("plain ä € 😀", 100), "plain ä € 😀");
  EXPECT_EQ(CleanText("tab\t\x7F\xC2\x85", 100), "tab???");
  EXPECT_EQ(CleanText("\xC0\x80|\xED\xA0\x80|\xF4\x90\x80\x80|\x80", 100), "??|???|????|?");
  EXPECT_EQ(CleanText("\xE2\x82", 100), "??");
}

TEST(WireCleanText, CutsBetweenCharacters) {
  EXPECT_EQ(CleanText("€€", 5), "€");
  EXPECT_EQ(CleanText("€€", 6), "€€");
}

RC_GTEST_PROP(WireCleanText, IsCleanWhateverComes, (const std::string& text)) {
  const std::string clean = CleanText(text, 50);
  RC_ASSERT(clean.size() <= 50U);
  RC_ASSERT(CleanText(clean, 50) == clean);
  v1::Hello hello;
  hello.set_agent_version(clean);
  RC_ASSERT(hello.ParseFromString(hello.SerializeAsString()));
}

}  // namespace
}  // namespace doagent::uploader
