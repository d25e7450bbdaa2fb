// Hello and Batch: round trips, every limit, garbage.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "doagent/v1/ingest.pb.h"
#include "spool/stored.h"
#include "tests/uploader/wire_support.h"
#include "uploader/wire.h"

namespace doagent::uploader {
namespace {

using spool::Claim;
using spool::IncomingBatch;
using spool::RangeSet;
using spool::StoredRecord;
using testing::HasSubstr;

Hello MakeHello() {
  Claim claim;
  claim.spool_id = MakeId<SpoolId>(1);
  claim.host = {"web-1", "machine", "droplet", "fra1", "0.1.0"};
  claim.current = true;
  claim.incarnations = {{7, 1}, {8, 100}};
  claim.first_pending = 90;
  claim.head = 120;
  return {"0.1.0", {claim}};
}

StoredRecord MakeRow(Sequence sequence) {
  StoredRecord record;
  record.sequence = sequence;
  record.time_unix_ns = -5;  // before 1970 is a time too
  record.kind = spool::RecordKind::kRow;
  record.encoding = spool::Encoding::kZstd;
  record.key = MakeId<ObjectId>(50);
  record.checksum = 0xFEDCBA9876543210;
  record.payload = "payload " + std::to_string(sequence);
  return record;
}

OutgoingBatch MakeBatch() {
  OutgoingBatch batch;
  batch.spool_id = MakeId<SpoolId>(1);
  batch.objects.push_back(
      {MakeId<ObjectId>(50), spool::ObjectKind::kLayout, spool::Encoding::kPlain, "key"});
  batch.records = {MakeRow(90), MakeRow(92)};
  StoredRecord event = MakeRow(95);
  event.kind = spool::RecordKind::kEvent;
  event.key = ObjectId();
  batch.records.push_back(event);
  return batch;
}

void ExpectSame(const StoredRecord& a, const StoredRecord& b) {
  EXPECT_EQ(a.sequence, b.sequence);
  EXPECT_EQ(a.time_unix_ns, b.time_unix_ns);
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.encoding, b.encoding);
  EXPECT_EQ(a.key, b.key);
  EXPECT_EQ(a.checksum, b.checksum);
  EXPECT_EQ(a.payload, b.payload);
}

// A valid message, to be broken by a test.
v1::ClientMessage HelloMessage() {
  v1::ClientMessage message;
  message.ParseFromString(*EncodeHello(MakeHello()));
  return message;
}

v1::ClientMessage BatchMessage() {
  v1::ClientMessage message;
  message.ParseFromString(*EncodeBatch(MakeBatch()));
  return message;
}

TEST(WireHello, RoundTrip) {
  const auto bytes = EncodeHello(MakeHello());
  ASSERT_TRUE(bytes);
  const auto message = DecodeClientMessage(*bytes);
  ASSERT_TRUE(message) << message.error().Message();
  const Hello& hello = std::get<Hello>(*message);
  EXPECT_EQ(hello.agent_version, "0.1.0");
  ASSERT_EQ(hello.claims.size(), 1U);
  const Claim& claim = hello.claims.front();
  EXPECT_EQ(claim.spool_id, MakeId<SpoolId>(1));
  EXPECT_EQ(claim.host, MakeHello().claims.front().host);
  EXPECT_TRUE(claim.current);
  ASSERT_EQ(claim.incarnations.size(), 2U);
  EXPECT_EQ(claim.incarnations[1].incarnation, 8U);
  EXPECT_EQ(claim.incarnations[1].first_sequence, 100U);
  EXPECT_EQ(claim.first_pending, 90U);
  EXPECT_EQ(claim.head, 120U);
}

TEST(WireHello, TextIsMadeFitToTravel) {
  Hello hello = MakeHello();
  hello.claims[0].host.hostname = "bad\xFF\nname" + std::string(1000, 'x');
  const auto bytes = EncodeHello(hello);
  ASSERT_TRUE(bytes);
  const auto message = DecodeClientMessage(*bytes);
  ASSERT_TRUE(message) << message.error().Message();
  const std::string& hostname = std::get<Hello>(*message).claims[0].host.hostname;
  EXPECT_EQ(hostname.substr(0, 9), "bad??name");
  EXPECT_EQ(hostname.size(), kTextBytesMax);
}

TEST(WireHello, SendsTheNewestIncarnations) {
  for (const std::size_t claims : {std::size_t{1}, kClaimsMax}) {
    Hello hello = MakeHello();
    hello.claims[0].current = false;
    hello.claims[0].incarnations.clear();
    for (std::uint64_t i = 1; i <= 2000; ++i) hello.claims[0].incarnations.push_back({i, i});
    hello.claims.resize(claims, hello.claims[0]);
    for (std::size_t i = 0; i < claims; ++i) hello.claims[i].spool_id = MakeId<SpoolId>(i);
    const auto bytes = EncodeHello(hello);
    ASSERT_TRUE(bytes) << bytes.error().Message();
    const auto message = DecodeClientMessage(*bytes);
    ASSERT_TRUE(message) << message.error().Message();
    const auto& sent = std::get<Hello>(*message).claims.back().incarnations;
    EXPECT_EQ(sent.size(), claims == 1 ? kIncarnationsMax : kHelloIncarnationsMax / kClaimsMax);
    EXPECT_EQ(sent.back().incarnation, 2000U);
  }
}

TEST(WireHello, RefusesToSendNoClaimOrTooMany) {
  Hello hello = MakeHello();
  hello.claims.clear();
  EXPECT_FALSE(EncodeHello(hello));
  hello.claims.resize(kClaimsMax + 1, MakeHello().claims[0]);
  EXPECT_FALSE(EncodeHello(hello));
}

struct BadHello {
  const char* name;
  void (*damage)(v1::Hello* hello);
  const char* complaint;
};

class WireBadHello : public testing::TestWithParam<BadHello> {};

TEST_P(WireBadHello, IsRefused) {
  v1::ClientMessage message = HelloMessage();
  GetParam().damage(message.mutable_hello());
  const auto decoded = DecodeClientMessage(message.SerializeAsString());
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::kRefuse);
  EXPECT_THAT(decoded.error().Message(), HasSubstr(GetParam().complaint));
}

INSTANTIATE_TEST_SUITE_P(
    All, WireBadHello,
    testing::Values(
        BadHello{"Version", [](v1::Hello* h) { h->set_protocol_version(0); }, "protocol version 0"},
        BadHello{"AgentVersion", [](v1::Hello* h) { h->set_agent_version(std::string(257, 'x')); },
                 "agent_version"},
        BadHello{"NoClaim", [](v1::Hello* h) { h->clear_spools(); }, "0 claims"},
        BadHello{"ManyClaims",
                 [](v1::Hello* h) {
                   while (h->spools_size() <= static_cast<int>(kClaimsMax)) h->add_spools();
                 },
                 "1025 claims"},
        BadHello{"ShortId", [](v1::Hello* h) { h->mutable_spools(0)->set_spool_id("short"); },
                 "16 bytes"},
        BadHello{"ZeroId",
                 [](v1::Hello* h) { h->mutable_spools(0)->set_spool_id(std::string(16, '\0')); },
                 "all zero"},
        BadHello{"Twice", [](v1::Hello* h) { *h->add_spools() = h->spools(0); }, "twice"},
        BadHello{"TwoCurrent",
                 [](v1::Hello* h) {
                   *h->add_spools() = h->spools(0);
                   h->mutable_spools(1)->set_spool_id(Bytes(MakeId<SpoolId>(2)));
                 },
                 "two current"},
        BadHello{"LongHostname",
                 [](v1::Hello* h) {
                   h->mutable_spools(0)->mutable_host()->set_hostname(std::string(257, 'x'));
                 },
                 "257 bytes"},
        BadHello{"ZeroIncarnation",
                 [](v1::Hello* h) { h->mutable_spools(0)->mutable_incarnations(0)->set_id(0); },
                 "incarnation is 0"},
        BadHello{"DescendingIncarnations",
                 [](v1::Hello* h) {
                   h->mutable_spools(0)->mutable_incarnations(0)->set_first_sequence(101);
                 },
                 "ascend"},
        BadHello{"IncarnationBeyond",
                 [](v1::Hello* h) {
                   h->mutable_spools(0)->mutable_incarnations(1)->set_first_sequence(
                       spool::kSequenceMax + 1);
                 },
                 "ascend"},
        BadHello{"ManyIncarnations",
                 [](v1::Hello* h) {
                   for (std::size_t i = 0; i < kIncarnationsMax; ++i) {
                     *h->mutable_spools(0)->add_incarnations() = h->spools(0).incarnations(1);
                   }
                 },
                 "1026 incarnations"},
        BadHello{"PendingZero",
                 [](v1::Hello* h) { h->mutable_spools(0)->set_first_pending_sequence(0); },
                 "offers sequences"},
        BadHello{"PendingBeyondHead",
                 [](v1::Hello* h) { h->mutable_spools(0)->set_first_pending_sequence(122); },
                 "offers sequences"},
        BadHello{
            "HeadBeyond",
            [](v1::Hello* h) { h->mutable_spools(0)->set_head_sequence(spool::kSequenceMax + 1); },
            "offers sequences"}),
    [](const auto& test) { return test.param.name; });

TEST(WireHello, NothingPendingIsAClaimToo) {
  v1::ClientMessage message = HelloMessage();
  message.mutable_hello()->mutable_spools(0)->set_first_pending_sequence(121);
  EXPECT_TRUE(DecodeClientMessage(message.SerializeAsString()));
}

TEST(WireBatch, RoundTrip) {
  const auto bytes = EncodeBatch(MakeBatch());
  ASSERT_TRUE(bytes) << bytes.error().Message();
  const auto message = DecodeClientMessage(*bytes);
  ASSERT_TRUE(message) << message.error().Message();
  const auto& batch = std::get<IncomingBatch>(*message);
  const OutgoingBatch sent = MakeBatch();
  EXPECT_EQ(batch.spool_id, sent.spool_id);
  ASSERT_EQ(batch.objects.size(), 1U);
  EXPECT_EQ(batch.objects[0].id, sent.objects[0].id);
  EXPECT_EQ(batch.objects[0].kind, spool::ObjectKind::kLayout);
  EXPECT_EQ(batch.objects[0].encoding, spool::Encoding::kPlain);
  EXPECT_EQ(batch.objects[0].payload, "key");
  ASSERT_EQ(batch.records.size(), sent.records.size());
  for (std::size_t i = 0; i < sent.records.size(); ++i) {
    ExpectSame(batch.records[i], sent.records[i]);
  }
}

TEST(WireBatch, NamesEachKeyOnce) {
  OutgoingBatch batch = MakeBatch();
  for (Sequence sequence = 100; sequence < 200; ++sequence) {
    batch.records.push_back(MakeRow(sequence));
    batch.records.back().key = MakeId<ObjectId>(50 + sequence % 2);
  }
  v1::ClientMessage message;
  ASSERT_TRUE(message.ParseFromString(*EncodeBatch(std::move(batch))));
  EXPECT_EQ(message.batch().keys_size(), 2);
}

TEST(WireBatch, WhatNoReceiverTakesStaysAsItWas) {
  OutgoingBatch batch = MakeBatch();
  batch.records[1].payload.assign(spool::kRecordBytesMax + 1, 'x');
  const auto bytes = EncodeBatch(std::move(batch));
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, ErrorCode::kPark);
  EXPECT_THAT(bytes.error().what, HasSubstr("record 92 has 1048577 bytes"));
  ASSERT_EQ(batch.records.size(), 3U);  // NOLINT(bugprone-use-after-move): the contract
  EXPECT_EQ(batch.records[0].payload, "payload 90");
}

TEST(WireBatch, RefusesToSendWhatIsTooLargeInAll) {
  OutgoingBatch batch;
  batch.spool_id = MakeId<SpoolId>(1);
  for (Sequence sequence = 1; sequence <= 4; ++sequence) {
    batch.records.push_back(MakeRow(sequence));
    batch.records.back().payload.assign(spool::kRecordBytesMax, 'x');
  }
  EXPECT_FALSE(EncodeBatch(std::move(batch)));
  batch.records.pop_back();  // NOLINT(bugprone-use-after-move)
  const auto bytes = EncodeBatch(std::move(batch));
  ASSERT_TRUE(bytes) << bytes.error().Message();
  EXPECT_LE(bytes->size(), kClientMessageBytesMax);
  EXPECT_TRUE(DecodeClientMessage(*bytes));
}

TEST(WireBatch, RefusesToSendNothingOrDisorder) {
  EXPECT_FALSE(EncodeBatch(OutgoingBatch{MakeId<SpoolId>(1), {}, {}, {}}));
  OutgoingBatch batch = MakeBatch();
  std::swap(batch.records[0], batch.records[1]);
  EXPECT_FALSE(EncodeBatch(std::move(batch)));
}

struct BadBatch {
  const char* name;
  void (*damage)(v1::Batch* batch);
  const char* complaint;
};

// Broken beyond a refusal by range: it cannot be said which records are concerned.
class WireUnreadableBatch : public testing::TestWithParam<BadBatch> {};

TEST_P(WireUnreadableBatch, IsRefused) {
  v1::ClientMessage message = BatchMessage();
  GetParam().damage(message.mutable_batch());
  const auto decoded = DecodeClientMessage(message.SerializeAsString());
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::kRefuse);
  EXPECT_THAT(decoded.error().Message(), HasSubstr(GetParam().complaint));
}

INSTANTIATE_TEST_SUITE_P(
    All, WireUnreadableBatch,
    testing::Values(
        BadBatch{"SpoolId", [](v1::Batch* b) { b->set_spool_id("x"); }, "spool_id"},
        BadBatch{"NoRecord", [](v1::Batch* b) { b->clear_records(); }, "0 records"},
        BadBatch{"ZeroSequence", [](v1::Batch* b) { b->mutable_records(0)->set_sequence(0); },
                 "sequence 0"},
        BadBatch{"Descending", [](v1::Batch* b) { b->mutable_records(0)->set_sequence(93); },
                 "ascend"},
        BadBatch{"Twice", [](v1::Batch* b) { b->mutable_records(1)->set_sequence(90); }, "ascend"},
        BadBatch{"Beyond",
                 [](v1::Batch* b) { b->mutable_records(2)->set_sequence(spool::kSequenceMax + 1); },
                 "ascend"},
        BadBatch{"ManyRecords",
                 [](v1::Batch* b) {
                   b->clear_records();
                   for (std::size_t i = 0; i <= kBatchRecordsMax; ++i) {
                     b->add_records()->set_sequence(i + 1);
                   }
                 },
                 "65537 records"}),
    [](const auto& test) { return test.param.name; });

class WireMalformedBatch : public testing::TestWithParam<BadBatch> {};

TEST_P(WireMalformedBatch, SaysWhichRecordsAreConcerned) {
  v1::ClientMessage message = BatchMessage();
  GetParam().damage(message.mutable_batch());
  const auto decoded = DecodeClientMessage(message.SerializeAsString());
  ASSERT_TRUE(decoded) << decoded.error().Message();
  const auto* malformed = std::get_if<MalformedBatch>(&*decoded);
  ASSERT_NE(malformed, nullptr);
  EXPECT_EQ(malformed->spool_id, MakeId<SpoolId>(1));
  EXPECT_EQ(malformed->ranges, RangeSet({{90, 90}, {92, 92}, {95, 95}}));
  EXPECT_THAT(malformed->detail, HasSubstr(GetParam().complaint));
}

INSTANTIATE_TEST_SUITE_P(
    All, WireMalformedBatch,
    testing::Values(
        BadBatch{"ObjectId", [](v1::Batch* b) { b->mutable_objects(0)->set_id("x"); }, "object"},
        BadBatch{"ObjectKindZero", [](v1::Batch* b) { b->mutable_objects(0)->set_kind(0); },
                 "object kind 0"},
        BadBatch{"ObjectKind", [](v1::Batch* b) { b->mutable_objects(0)->set_kind(4); },
                 "object kind 4"},
        BadBatch{"ObjectEncoding", [](v1::Batch* b) { b->mutable_objects(0)->set_encoding(2); },
                 "encoding 2"},
        BadBatch{"KeyId", [](v1::Batch* b) { b->set_keys(0, "x"); }, "key"},
        BadBatch{"KeyBeyond", [](v1::Batch* b) { b->mutable_records(0)->set_key(2); },
                 "names key 2 of 1"},
        BadBatch{"RecordEncoding", [](v1::Batch* b) { b->mutable_records(2)->set_encoding(7); },
                 "encoding 7"},
        BadBatch{"LargeRecord",
                 [](v1::Batch* b) {
                   b->mutable_records(0)->set_payload(std::string(spool::kRecordBytesMax + 1, 'x'));
                 },
                 "1048577 bytes"},
        BadBatch{"ManyObjects",
                 [](v1::Batch* b) {
                   while (b->objects_size() <= static_cast<int>(kBatchObjectsMax)) {
                     *b->add_objects() = b->objects(0);
                   }
                 },
                 "8192 objects"}),
    [](const auto& test) { return test.param.name; });

TEST(WireClientMessage, RefusesWhatIsNone) {
  EXPECT_FALSE(DecodeClientMessage(""));
  EXPECT_FALSE(DecodeClientMessage("\xFF\xFF\xFF"));
  EXPECT_FALSE(DecodeClientMessage(std::string(kClientMessageBytesMax + 1, '\0')));
  const std::string whole = *EncodeBatch(MakeBatch());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(DecodeClientMessage(whole.substr(0, size))) << size;
  }
}

// Two bytes on the wire are an empty record, which takes some hundred in memory.
TEST(WireClientMessage, CountsBeforeItAllocates) {
  const auto framed = [](char field, const std::string& content) {
    std::string size;
    for (std::size_t rest = content.size();; rest >>= 7) {
      size += static_cast<char>((rest & 0x7F) | (rest > 0x7F ? 0x80 : 0));
      if (rest <= 0x7F) break;
    }
    return std::string(1, static_cast<char>((field << 3) | 2)) + size + content;
  };
  std::string empty_records;
  std::string empty_incarnations;
  for (int i = 0; i < 200'000; ++i) empty_records += std::string("\x22\x00", 2);
  for (int i = 0; i < 200'000; ++i) empty_incarnations += std::string("\x1A\x00", 2);
  const auto batch = DecodeClientMessage(framed(2, empty_records));
  ASSERT_FALSE(batch);
  EXPECT_THAT(batch.error().what, HasSubstr("fields"));
  const auto hello = DecodeClientMessage(framed(1, framed(3, empty_incarnations)));
  ASSERT_FALSE(hello);
  EXPECT_THAT(hello.error().what, HasSubstr("fields"));
}

RC_GTEST_PROP(WireBatch, BatchesSurvive, (std::vector<std::uint16_t> distances)) {
  OutgoingBatch batch;
  batch.spool_id = MakeId<SpoolId>(*rc::gen::arbitrary<std::uint64_t>());
  Sequence sequence = 0;
  distances.push_back(0);
  for (const std::uint16_t distance : distances) {
    sequence += 1 + distance;
    StoredRecord record;
    record.sequence = sequence;
    record.time_unix_ns = *rc::gen::arbitrary<std::int64_t>();
    record.checksum = *rc::gen::arbitrary<std::uint64_t>();
    record.payload = *rc::gen::arbitrary<std::string>();
    record.encoding = *rc::gen::element(spool::Encoding::kPlain, spool::Encoding::kZstd);
    record.kind = *rc::gen::element(spool::RecordKind::kRow, spool::RecordKind::kEvent);
    if (record.kind == spool::RecordKind::kRow) {
      record.key = MakeId<ObjectId>(*rc::gen::inRange<std::uint64_t>(0, 4));
    }
    batch.records.push_back(record);
  }
  OutgoingBatch sent = batch;
  const auto message = DecodeClientMessage(*EncodeBatch(std::move(sent)));
  RC_ASSERT(message.has_value());
  const auto& received = std::get<IncomingBatch>(*message);
  RC_ASSERT(received.spool_id == batch.spool_id);
  RC_ASSERT(received.records.size() == batch.records.size());
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    ExpectSame(received.records[i], batch.records[i]);
  }
}

RC_GTEST_PROP(WireClientMessage, GarbageIsNoMessage, (const std::string& bytes)) {
  // A message needs a spool id, hence 16 bytes that are not all zero, and more.
  if (bytes.size() < 20) RC_ASSERT(!DecodeClientMessage(bytes));
}

}  // namespace
}  // namespace doagent::uploader
