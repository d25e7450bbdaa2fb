// Text, JSON lines and CSV, as `do-agent-spool dump` prints records.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/tools/exposition_support.h"
#include "tools/cli/record_writer.h"

namespace doagent::cli {
namespace {

using spool::MetricType;
using spool::Representation;
using spool::ValueKind;
using test::RecordOf;
using test::SectionBuilder;
using test::SnapshotOf;
using ::testing::HasSubstr;

constexpr const char* kOrigin = "1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f";

spool::Section Cpu() {
  return SectionBuilder()
      .Family("node_cpu_seconds_total", MetricType::kCounter, "",
              Representation{ValueKind::kUnsigned, 1, 100})
      .Bits({{"cpu", "0"}, {"mode", "idle"}}, 12345)
      .Absent({{"cpu", "0"}, {"mode", "nice"}})
      .Family("node_load1", MetricType::kGauge)
      .Double({}, 0.5)
      .Family("node_big", MetricType::kGauge, "", Representation{ValueKind::kUnsigned, 1, 1})
      .Bits({}, std::numeric_limits<std::uint64_t>::max())
      .Build();
}

spool::Record EventRecord() {
  spool::Event event;
  event.kind = spool::EventKind::kEviction;
  event.wall = FromUnixNanoseconds(1'700'000'001'000'000'000);
  event.reason = "no \"space\" left\x1b[2J";
  event.ranges = {{5, 9}, {11, 11}};
  event.count = 6;
  spool::Record record;
  record.spool_id = test::SpoolIdOf('\x1f');
  record.sequence = 43;
  record.time = event.wall;
  record.state = spool::DeliveryState::kAcknowledged;
  record.content = event;
  return record;
}

std::string Write(RecordWriter& writer, const std::vector<spool::Record>& records) {
  std::string out;
  writer.Begin(out);
  for (const spool::Record& record : records) writer.Append(record, "web-1", out);
  return out;
}

std::vector<Selector> Select(const std::string& text) {
  return {*Selector::Parse(text)};
}

TEST(ExpositionRecordsTest, Text) {
  EXPECT_EQ(Write(*MakeTextWriter({}), {RecordOf(SnapshotOf({Cpu()}), 42), EventRecord()}),
            "2023-11-14T22:13:20.123Z web-1 1f1f1f1f #42 pending\n"
            "  node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 123.45\n"
            "  node_load1 0.5\n"
            "  node_big 18446744073709551615\n"
            "2023-11-14T22:13:21.000Z web-1 1f1f1f1f #43 acknowledged event eviction: "
            "no \"space\" left\\x1b[2J (6 records: 5-9, 11)\n");
}

TEST(ExpositionRecordsTest, TextNamesTheSpoolWhoseRangesAnEventNames) {
  spool::Record record = EventRecord();
  std::get<spool::Event>(record.content).spool_id = test::SpoolIdOf('\xab');
  EXPECT_THAT(Write(*MakeTextWriter({}), {record}), HasSubstr("(6 records: 5-9, 11 of abababab)"));
}

TEST(ExpositionRecordsTest, JsonIsAnObjectALine) {
  const std::string out =
      Write(*MakeJsonWriter({}), {RecordOf(SnapshotOf({Cpu()}), 42), EventRecord()});
  const std::size_t line_end = out.find('\n');
  EXPECT_EQ(out.substr(0, line_end),
            std::string("{\"origin\":\"") + kOrigin +
                "\",\"host\":\"web-1\",\"sequence\":42,\"time_unix_ns\":1700000000123456789,"
                "\"state\":\"pending\",\"samples\":["
                "{\"name\":\"node_cpu_seconds_total\",\"labels\":{\"cpu\":\"0\",\"mode\":\"idle\"},"
                "\"value\":123.45},"
                "{\"name\":\"node_load1\",\"labels\":{},\"value\":0.5},"
                "{\"name\":\"node_big\",\"labels\":{},\"value\":18446744073709551615}]}");
  const auto event = nlohmann::json::parse(out.substr(line_end + 1));
  EXPECT_EQ(event.at("sequence"), 43);
  EXPECT_EQ(event.at("state"), "acknowledged");
  EXPECT_EQ(event.at("event").dump(), R"({"count":6,"kind":"eviction","ranges":[[5,9],[11,11]],)"
                                      "\"reason\":\"no \\\"space\\\" left\\u001b[2J\"}");
  EXPECT_EQ(event.count("samples"), 0U);
}

TEST(ExpositionRecordsTest, JsonNamesTheSpoolWhoseRangesAnEventNames) {
  spool::Record record = EventRecord();
  std::get<spool::Event>(record.content).spool_id = test::SpoolIdOf('\xab');
  const auto object = nlohmann::json::parse(Write(*MakeJsonWriter({}), {record}));
  EXPECT_EQ(object.at("event").at("spool_id"), test::SpoolIdOf('\xab').Hex());
}

TEST(ExpositionRecordsTest, JsonTakesWhateverNamesAndValuesThereAre) {
  const auto section = SectionBuilder()
                           .Family("odd\"name\xff", MetricType::kGauge)
                           .Double({{"a\nb", "\x01\\"}}, std::nan(""))
                           .Build();
  const auto object =
      nlohmann::json::parse(Write(*MakeJsonWriter({}), {RecordOf(SnapshotOf({section}))}));
  const auto& sample = object.at("samples").at(0);
  EXPECT_EQ(sample.at("name"), "odd\"name\xef\xbf\xbd");
  EXPECT_EQ(sample.at("labels").at("a\nb"), "\x01\\");
  EXPECT_EQ(sample.at("value"), "NaN");
}

TEST(ExpositionRecordsTest, CsvIsALineASampleWithoutEvents) {
  EXPECT_EQ(Write(*MakeCsvWriter({}), {RecordOf(SnapshotOf({Cpu()}), 42), EventRecord()}),
            std::string("origin,sequence,time,metric,labels,value\n") + kOrigin +
                ",42,2023-11-14T22:13:20.123Z,node_cpu_seconds_total,"
                "\"cpu=\"\"0\"\",mode=\"\"idle\"\"\",123.45\n" +
                kOrigin + ",42,2023-11-14T22:13:20.123Z,node_load1,,0.5\n" + kOrigin +
                ",42,2023-11-14T22:13:20.123Z,node_big,,18446744073709551615\n");
}

TEST(ExpositionRecordsTest, CsvWritesTheSpecialValuesBare) {
  const auto section = SectionBuilder()
                           .Family("m", MetricType::kGauge)
                           .Double({}, -std::numeric_limits<double>::infinity())
                           .Build();
  EXPECT_THAT(Write(*MakeCsvWriter({}), {RecordOf(SnapshotOf({section}))}),
              ::testing::EndsWith(",m,,-Inf\n"));
}

TEST(ExpositionRecordsTest, SelectorsLeaveNoEventsAndNoEmptySnapshots) {
  const std::vector<spool::Record> records = {
      RecordOf(SnapshotOf({Cpu()}), 42), EventRecord(),
      RecordOf(SnapshotOf({SectionBuilder()
                               .Family("other", MetricType::kGauge)
                               .Double({}, 1)
                               .Family("node_load1", MetricType::kGauge)
                               .Absent({})
                               .Build()}),
               44)};
  const auto selected = Select("node_load1");
  EXPECT_EQ(Write(*MakeTextWriter(selected), records),
            "2023-11-14T22:13:20.123Z web-1 1f1f1f1f #42 pending\n  node_load1 0.5\n");
  EXPECT_THAT(Write(*MakeJsonWriter(selected), records),
              ::testing::EndsWith(
                  "\"samples\":[{\"name\":\"node_load1\",\"labels\":{},\"value\":0.5}]}\n"));
  EXPECT_EQ(Write(*MakeCsvWriter(selected), records),
            std::string("origin,sequence,time,metric,labels,value\n") + kOrigin +
                ",42,2023-11-14T22:13:20.123Z,node_load1,,0.5\n");
}

TEST(ExpositionRecordsTest, AnEmptySnapshotIsStillARecord) {
  EXPECT_EQ(Write(*MakeTextWriter({}), {RecordOf(SnapshotOf({}), 7)}),
            "2023-11-14T22:13:20.123Z web-1 1f1f1f1f #7 pending\n");
  EXPECT_THAT(Write(*MakeJsonWriter({}), {RecordOf(SnapshotOf({}), 7)}),
              HasSubstr("\"samples\":[]}"));
}

TEST(ExpositionRecordsTest, TheTextsOfOneSchemaAreNotTakenForAnothers) {
  const auto writer = MakeCsvWriter({});
  std::string out;
  for (int i = 0; i < 200; ++i) {  // schemas come and go at the same addresses
    out.clear();
    const std::string name = "m" + std::to_string(i);
    writer->Append(RecordOf(SnapshotOf(
                       {SectionBuilder().Family(name, MetricType::kGauge).Double({}, 1).Build()})),
                   "", out);
    ASSERT_THAT(out, HasSubstr("," + name + ",,1\n"));
  }
}

TEST(ExpositionRecordsTest, ASnapshotAloneIsOneJsonObject) {
  std::string out;
  AppendSnapshotJson(SnapshotOf({Cpu()}), out);
  const auto object = nlohmann::json::parse(out);
  EXPECT_EQ(object.at("time_unix_ns"), 1700000000123456789);
  EXPECT_EQ(object.at("samples").size(), 3U);
  EXPECT_EQ(object.size(), 2U);
  EXPECT_EQ(out.back(), '\n');
}

}  // namespace
}  // namespace doagent::cli
