// Payloads, objects, rows and events: what is encoded comes back bit for bit, and what is not ours
// is refused before it can hurt.

#include "spool/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "doagent/v1/storage.pb.h"
#include "spool/object_codec.h"
#include "spool/record_codec.h"
#include "tests/support/object_set.h"
#include "tests/support/snapshots.h"

namespace doagent::spool {
namespace {

using test::MakeSchema;
using test::MakeSnapshot;
using test::SameSnapshot;
using ::testing::HasSubstr;
using ::testing::SizeIs;

Result<Snapshot> Decode(const StoredRecord& record, const test::ObjectSet& objects) {
  DOAGENT_TRY(VerifyChecksum(record));
  DOAGENT_ASSIGN(const Key key, objects.FindKey(record.key));
  return DecodeRow(record, key);
}

// Any 64 bits, with a liking for the ends of every range.
std::uint64_t AnyBits() {
  return *rc::gen::oneOf(
      rc::gen::arbitrary<std::uint64_t>(),
      rc::gen::element<std::uint64_t>(0, 1, ~0ULL, 1ULL << 63, (1ULL << 63) - 1, 0x7ff0000000000000,
                                      0xfff0000000000000, 0x7ff8000000001234, 0x7ff0000000000002,
                                      0x8000000000000000));
}

Section AnySection(const SchemaPtr& schema) {
  Section section{schema, {}, {}};
  for (std::size_t i = 0; i < schema->size(); ++i) {
    const bool constant = schema->family_of(i).representation.kind == ValueKind::kConstant;
    section.present.push_back(*rc::gen::weightedElement<std::uint8_t>({{9, 1}, {1, 0}}));
    section.values.push_back(constant || section.present[i] == 0 ? 0 : AnyBits());
  }
  return section;
}

Snapshot AnySnapshot(int tick, const std::vector<SchemaPtr>& schemas) {
  Snapshot snapshot = MakeSnapshot(static_cast<std::uint64_t>(tick));
  snapshot.wall += Nanoseconds(*rc::gen::inRange<std::int64_t>(-1'000'000'000, 1'000'000'000));
  snapshot.sections.clear();
  for (const auto& schema : schemas) snapshot.sections.push_back(AnySection(schema));
  return snapshot;
}

RC_GTEST_PROP(RowCodecTest, AnyRunOfSnapshotsComesBack, ()) {
  RowEncoder encoder(*rc::gen::inRange<Incarnation>(1, 1000), *rc::gen::inRange(1, 5));
  test::ObjectSet objects;
  std::vector<SchemaPtr> schemas = {MakeSchema("a", 3), MakeSchema("b", 1)};
  const int ticks = *rc::gen::inRange(1, 12);
  for (int tick = 1; tick <= ticks; ++tick) {
    // Series come, collectors come and go.
    switch (*rc::gen::inRange(0, 8)) {
      case 0: schemas[0] = MakeSchema("a", *rc::gen::inRange(0, 6)); break;
      case 1: schemas.push_back(MakeSchema("c" + std::to_string(tick), 2)); break;
      case 2:
        if (schemas.size() > 1) schemas.pop_back();
        break;
      default: break;
    }
    const Snapshot snapshot = AnySnapshot(tick, schemas);
    const EncodedRow row = encoder.Encode(snapshot, static_cast<Sequence>(tick));
    // An append that failed is encoded again and must bring all its objects again.
    if (*rc::gen::inRange(0, 4) == 0) {
      const EncodedRow again = encoder.Encode(snapshot, static_cast<Sequence>(tick));
      RC_ASSERT(again.objects.size() == row.objects.size());
    }
    encoder.Commit();
    objects.Add(row.objects);
    const auto decoded = Decode(row.record, objects);
    RC_ASSERT(decoded.has_value());
    RC_ASSERT(SameSnapshot(*decoded, snapshot));
  }
}

TEST(RowCodecTest, OnlyTheSchemaThatChangedIsStoredAgain) {
  RowEncoder encoder(1, 60);
  Snapshot snapshot = MakeSnapshot(1);
  EXPECT_THAT(encoder.Encode(snapshot, 1).objects, SizeIs(4));  // two schemas, their layout, a key
  encoder.Commit();
  EXPECT_THAT(encoder.Encode(snapshot, 2).objects, SizeIs(0));
  encoder.Commit();
  snapshot.sections[1] = test::MakeSection(MakeSchema("second", 4), 1);
  EXPECT_THAT(encoder.Encode(snapshot, 3).objects, SizeIs(3));  // one schema, the layout, a key
}

TEST(RowCodecTest, ANewKeyExpectsWhatChangedInMostRows) {
  RowEncoder encoder(1, 4);
  for (std::uint64_t tick = 1; tick <= 4; ++tick) {
    encoder.Encode(MakeSnapshot(tick), tick);
    encoder.Commit();
  }
  const EncodedRow row = encoder.Encode(MakeSnapshot(5), 5);
  test::ObjectSet objects;
  objects.Add(row.objects);
  ASSERT_THAT(row.objects, SizeIs(1));  // the key alone
  v1::Key key;
  ASSERT_TRUE(key.ParseFromString(*OpenObject(row.objects[0])));
  // The gauges of both collectors jump about, the counters grow, the doubles too; the infos do not.
  EXPECT_EQ(key.expected(), std::string("\x7f\x1f", 2));
}

TEST(EventCodecTest, AnyReasonComesBackAsText) {
  Event event{EventKind::kGap, {}, {}, test::TestBootId(), "", {}, {}, 1};
  event.reason = "/srv/caf\xe9: " + std::string(kLabelBytesMax - 20, 'x') + "größe größe größe";
  const auto decoded = DecodeEvent(EncodeEvent(event, 1, 1));
  ASSERT_TRUE(decoded) << decoded.error().Message();
  EXPECT_THAT(decoded->event.reason, ::testing::StartsWith("/srv/caf\xef\xbf\xbd: x"));
  EXPECT_LE(decoded->event.reason.size(), kLabelBytesMax);
}

TEST(ObjectCodecTest, ASchemaOfNothingButLabelsIsRefusedBeforeItIsParsed) {
  // A series (field 3) of empty labels (field 2): two bytes each, a hundred once parsed.
  std::string series;
  for (std::size_t i = 0; i <= kSchemaFieldsMax; ++i) series += std::string("\x12\x00", 2);
  std::string content =
      "\x0a\x01"
      "c"
      "\x1a";
  for (std::size_t size = series.size(); size > 0; size >>= 7) {
    content += static_cast<char>((size & 0x7f) | (size > 0x7f ? 0x80 : 0));
  }
  const auto schema = DecodeSchema(content + series);
  ASSERT_FALSE(schema);
  EXPECT_THAT(schema.error().Message(), HasSubstr("too many fields"));
}

TEST(RowCodecTest, AnotherBootIdMakesANewKey) {
  RowEncoder encoder(1, 60);
  Snapshot snapshot = MakeSnapshot(1);
  encoder.Encode(snapshot, 1);
  encoder.Commit();
  snapshot.boot_id = *BootId::FromBytes("fedcba9876543210");
  EXPECT_THAT(encoder.Encode(snapshot, 2).objects, SizeIs(1));
}

TEST(RowCodecTest, EveryFlippedBitOfAPayloadIsNoticed) {
  RowEncoder encoder(1, 60);
  const EncodedRow row = encoder.Encode(MakeSnapshot(1), 1);
  for (std::size_t bit = 0; bit < row.record.payload.size() * 8; ++bit) {
    StoredRecord damaged = row.record;
    damaged.payload[bit / 8] = static_cast<char>(damaged.payload[bit / 8] ^ 1 << (bit % 8));
    EXPECT_FALSE(VerifyChecksum(damaged)) << bit;
  }
  StoredRecord moved = row.record;
  moved.sequence = 2;
  EXPECT_FALSE(VerifyChecksum(moved));
}

RC_GTEST_PROP(RowCodecTest, AnyPayloadIsDecodedOrRefused, (const std::string& bytes)) {
  RowEncoder encoder(1, 60);
  const EncodedRow row = encoder.Encode(MakeSnapshot(1), 1);
  test::ObjectSet objects;
  objects.Add(row.objects);
  const auto key = objects.FindKey(row.record.key);
  RC_ASSERT(key.has_value());
  StoredRecord record = row.record;
  record.encoding = *rc::gen::element(Encoding::kPlain, Encoding::kZstd);
  record.payload = bytes;
  const auto decoded = DecodeRow(record, *key);
  if (decoded) RC_ASSERT(decoded->sections.size() == 2U);
}

TEST(EventCodecTest, ComesBack) {
  const Snapshot now = MakeSnapshot(3);
  const Event event{EventKind::kEviction, now.wall,  now.mono,
                    now.boot_id,          "the cap", *SpoolId::FromBytes("0123456789abcdef"),
                    {{1, 4}, {9, 9}},     5};
  const auto decoded = DecodeEvent(EncodeEvent(event, 42, 10));
  ASSERT_TRUE(decoded) << decoded.error().Message();
  EXPECT_EQ(decoded->incarnation, 42U);
  EXPECT_EQ(decoded->event.kind, event.kind);
  EXPECT_EQ(decoded->event.wall, event.wall);
  EXPECT_EQ(decoded->event.mono, event.mono);
  EXPECT_EQ(decoded->event.boot_id, event.boot_id);
  EXPECT_EQ(decoded->event.reason, event.reason);
  EXPECT_EQ(decoded->event.spool_id, event.spool_id);
  EXPECT_EQ(decoded->event.ranges, event.ranges);
  EXPECT_EQ(decoded->event.count, event.count);
}

TEST(ObjectCodecTest, AnObjectWithAnotherContentIsRefused) {
  StoredObject object = EncodeSchema(*MakeSchema("a", 3));
  object.payload[object.payload.size() / 2] ^= 1;
  EXPECT_FALSE(OpenObject(object));
  object = EncodeSchema(*MakeSchema("a", 3));
  object.kind = ObjectKind::kKey;  // the same bytes as another kind are another object
  EXPECT_FALSE(OpenObject(object));
}

TEST(PackTest, ShortContentStaysPlain) {
  EXPECT_EQ(Pack("abc").encoding, Encoding::kPlain);
  EXPECT_EQ(Pack(std::string(1000, 'a')).encoding, Encoding::kZstd);
}

RC_GTEST_PROP(PackTest, AnythingComesBack, (const std::string& content)) {
  const int times = *rc::gen::inRange(1, 50);
  std::string long_content;
  for (int i = 0; i < times; ++i) long_content += content;
  const Packed packed = Pack(long_content);
  const auto unpacked = Unpack(packed.encoding, packed.bytes, kDecodedBytesMax);
  RC_ASSERT(unpacked.has_value());
  RC_ASSERT(*unpacked == long_content);
}

TEST(PackTest, WhatWouldGrowTooMuchIsStoredPlain) {
  const std::string zeros(2 << 20, '\0');
  const Packed packed = Pack(zeros);
  EXPECT_EQ(packed.encoding, Encoding::kPlain);
}

TEST(UnpackTest, RefusesABombBeforeItIsDecompressed) {
  // A frame that honestly says how large it is, made with a larger limit than ours.
  const Packed packed = Pack(std::string(60 << 10, '\0'));
  ASSERT_EQ(packed.encoding, Encoding::kZstd);
  const auto refused = Unpack(packed.encoding, packed.bytes, 1000);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().Message(), HasSubstr("would grow from"));
  EXPECT_EQ(refused.error().code, ErrorCode::kPark);
}

TEST(UnpackTest, RefusesHalfAFrameAndTwoFrames) {
  const Packed packed = Pack(std::string(1000, 'a'));
  EXPECT_FALSE(Unpack(packed.encoding, packed.bytes.substr(0, packed.bytes.size() - 1), 10000));
  EXPECT_FALSE(Unpack(packed.encoding, packed.bytes + packed.bytes, 10000));
  EXPECT_FALSE(Unpack(packed.encoding, "", 10000));
}

}  // namespace
}  // namespace doagent::spool
