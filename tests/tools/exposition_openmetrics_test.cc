#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "tests/tools/exposition_support.h"
#include "tests/tools/run_command.h"
#include "tools/cli/openmetrics.h"

namespace doagent::cli {
namespace {

using spool::MetricType;
using spool::Record;
using spool::Representation;
using spool::ValueKind;
using test::RecordOf;
using test::SectionBuilder;
using test::SnapshotOf;
using ::testing::HasSubstr;

constexpr std::int64_t kStartNs = 1'700'000'000'000'000'000;
constexpr std::int64_t kSecondNs = 1'000'000'000;

struct Written {
  std::string text;
  OpenMetricsSummary summary;
  int passes = 0;
};

OpenMetricsOptions Options() {
  OpenMetricsOptions options;
  options.instance = [](const SpoolId& origin) {
    return origin == test::SpoolIdOf('\x1f') ? "web-1" : origin.Hex();
  };
  return options;
}

// Into a file, as `dump` does. `before_pass` may change the records, as an agent would.
Written Write(std::vector<Record>& records, const OpenMetricsOptions& options,
              const std::function<void(int pass)>& before_pass = {}) {
  Written written;
  std::FILE* file = std::tmpfile();
  Output output(::fileno(file), "file");
  const auto summary = WriteOpenMetrics(
      [&](const std::function<bool(const Record&)>& visit) -> Result<void> {
        ++written.passes;
        if (before_pass) before_pass(written.passes);
        for (const Record& record : records) {
          if (!visit(record)) break;
        }
        return {};
      },
      options, output);
  EXPECT_TRUE(summary);
  written.summary = *summary;
  std::rewind(file);
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) {
    written.text += static_cast<char>(c);
  }
  std::fclose(file);
  return written;
}

std::string Text(std::vector<Record> records, const OpenMetricsOptions& options = Options()) {
  return Write(records, options).text;
}

Record GaugeRecord(Sequence sequence, std::int64_t time_unix_ns, double value,
                   char origin = '\x1f') {
  return RecordOf(
      SnapshotOf({SectionBuilder().Family("m", MetricType::kGauge).Double({}, value).Build()},
                 time_unix_ns),
      sequence, origin);
}

TEST(ExpositionOpenMetricsTest, GroupsByFamilyThenSeriesThenTime) {
  std::vector<Record> records;
  for (int i = 0; i < 2; ++i) {
    records.push_back(
        RecordOf(SnapshotOf({SectionBuilder()
                                 .Family("z", MetricType::kGauge, "Help \"me\"\n\\.")
                                 .Double({{"a", "2"}}, 20 + i)
                                 .Double({{"a", "1"}}, 10 + i)
                                 .Family("node_cpu_seconds_total", MetricType::kCounter, "CPU.",
                                         Representation{ValueKind::kUnsigned, 1, 100}, "seconds")
                                 .Bits({{"cpu", "0"}}, 150 + static_cast<std::uint64_t>(i))
                                 .Family("node_info", MetricType::kUntyped, "",
                                         Representation{ValueKind::kConstant, 1, 1})
                                 .Bits({{"version", "1"}}, 0)
                                 .Build()},
                            kStartNs + i * kSecondNs / 8),
                 static_cast<Sequence>(i + 1)));
  }
  EXPECT_EQ(Text(records),
            "# TYPE node_cpu_seconds counter\n"
            "# UNIT node_cpu_seconds seconds\n"
            "# HELP node_cpu_seconds CPU.\n"
            "node_cpu_seconds_total{cpu=\"0\",instance=\"web-1\"} 1.5 1700000000.000\n"
            "node_cpu_seconds_total{cpu=\"0\",instance=\"web-1\"} 1.51 1700000000.125\n"
            "# TYPE node_info gauge\n"
            "node_info{version=\"1\",instance=\"web-1\"} 1 1700000000.000\n"
            "node_info{version=\"1\",instance=\"web-1\"} 1 1700000000.125\n"
            "# TYPE z gauge\n"
            "# HELP z Help \\\"me\\\"\\n\\\\.\n"
            "z{a=\"1\",instance=\"web-1\"} 10 1700000000.000\n"
            "z{a=\"1\",instance=\"web-1\"} 11 1700000000.125\n"
            "z{a=\"2\",instance=\"web-1\"} 20 1700000000.000\n"
            "z{a=\"2\",instance=\"web-1\"} 21 1700000000.125\n"
            "# EOF\n");
}

TEST(ExpositionOpenMetricsTest, NothingIsAnEmptyExposition) {
  EXPECT_EQ(Text({}), "# EOF\n");
}

TEST(ExpositionOpenMetricsTest, SortsByTimeAndKeepsTheLastOfOneMillisecond) {
  std::vector<Record> records = {
      GaugeRecord(1, kStartNs + 2 * kSecondNs, 1), GaugeRecord(2, kStartNs, 2),
      GaugeRecord(3, kStartNs + 2 * kSecondNs, 3), GaugeRecord(4, kStartNs + 999'999, 4)};
  const Written written = Write(records, Options());
  EXPECT_EQ(written.text,
            "# TYPE m gauge\n"
            "m{instance=\"web-1\"} 4 1700000000.000\n"
            "m{instance=\"web-1\"} 3 1700000002.000\n"
            "# EOF\n");
  EXPECT_EQ(written.summary.left_out, 2U);
  EXPECT_EQ(written.summary.samples, 2U);
}

TEST(ExpositionOpenMetricsTest, EveryOriginHasItsInstance) {
  const std::string text =
      Text({GaugeRecord(1, kStartNs, 1, '\x1f'), GaugeRecord(1, kStartNs, 2, '\xab')});
  EXPECT_THAT(text, HasSubstr("m{instance=\"abababababababababababababababab\"} 2 "));
  EXPECT_THAT(text, HasSubstr("m{instance=\"web-1\"} 1 "));
}

TEST(ExpositionOpenMetricsTest, TheSeriesOwnInstanceGivesWay) {
  const auto section =
      SectionBuilder().Family("m", MetricType::kGauge).Double({{"instance", "db"}}, 1).Build();
  EXPECT_THAT(Text({RecordOf(SnapshotOf({section}, kStartNs))}),
              HasSubstr("m{exported_instance=\"db\",instance=\"web-1\"} 1 "));
}

TEST(ExpositionOpenMetricsTest, CountersAreDeclaredAsTheParserWants) {
  const auto section = SectionBuilder()
                           .Family("forks", MetricType::kCounter)  // lacks _total
                           .Double({}, 1)
                           .Family("x_total", MetricType::kCounter)  // x is another family
                           .Double({}, 2)
                           .Family("x", MetricType::kGauge)
                           .Double({}, 3)
                           .Family("_total", MetricType::kCounter)  // nothing would be left
                           .Double({}, 4)
                           .Family("u", MetricType::kUntyped)
                           .Double({}, 5)
                           .Build();
  const std::string text = Text({RecordOf(SnapshotOf({section}, kStartNs))});
  EXPECT_THAT(text, HasSubstr("# TYPE forks unknown\nforks{"));
  EXPECT_THAT(text, HasSubstr("# TYPE x_total unknown\nx_total{"));
  EXPECT_THAT(text, HasSubstr("# TYPE x gauge\nx{"));
  EXPECT_THAT(text, HasSubstr("# TYPE _total unknown\n_total{"));
  EXPECT_THAT(text, HasSubstr("# TYPE u unknown\nu{"));
}

TEST(ExpositionOpenMetricsTest, AUnitIsDeclaredOnlyWhereTheNameHasIt) {
  const auto section =
      SectionBuilder()
          .Family("m_bytes", MetricType::kGauge, "", {ValueKind::kDouble, 1, 1}, "bytes")
          .Double({}, 1)
          .Family("n", MetricType::kGauge, "", {ValueKind::kDouble, 1, 1}, "bytes")
          .Double({}, 1)
          .Build();
  const std::string text = Text({RecordOf(SnapshotOf({section}, kStartNs))});
  EXPECT_THAT(text, HasSubstr("# UNIT m_bytes bytes\n"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("# UNIT n ")));
}

TEST(ExpositionOpenMetricsTest, AHistogramsPartsStandTogetherTimeByTime) {
  std::vector<Record> records;
  for (int i = 0; i < 2; ++i) {
    records.push_back(RecordOf(SnapshotOf({SectionBuilder()
                                               .Family("h_count", MetricType::kHistogram)
                                               .Double({}, 2 + i)
                                               .Family("h_bucket", MetricType::kHistogram)
                                               .Double({{"le", "5"}}, 1 + i)
                                               .Double({{"le", "+Inf"}}, 2 + i)
                                               .Family("h_sum", MetricType::kHistogram)
                                               .Double({}, 7 + i)
                                               .Build()},
                                          kStartNs + i * kSecondNs),
                               static_cast<Sequence>(i + 1)));
  }
  EXPECT_EQ(Text(records),
            "# TYPE h histogram\n"
            "h_bucket{le=\"5\",instance=\"web-1\"} 1 1700000000.000\n"
            "h_bucket{le=\"+Inf\",instance=\"web-1\"} 2 1700000000.000\n"
            "h_sum{instance=\"web-1\"} 7 1700000000.000\n"
            "h_count{instance=\"web-1\"} 2 1700000000.000\n"
            "h_bucket{le=\"5\",instance=\"web-1\"} 2 1700000001.000\n"
            "h_bucket{le=\"+Inf\",instance=\"web-1\"} 3 1700000001.000\n"
            "h_sum{instance=\"web-1\"} 8 1700000001.000\n"
            "h_count{instance=\"web-1\"} 3 1700000001.000\n"
            "# EOF\n");
}

TEST(ExpositionOpenMetricsTest, TimesBefore1970HaveTheirSign) {
  EXPECT_THAT(Text({GaugeRecord(1, -1'500'000'000, 1)}), HasSubstr(" 1 -1.500\n"));
}

TEST(ExpositionOpenMetricsTest, OnlySelectedSeries) {
  OpenMetricsOptions options = Options();
  options.selectors = {*Selector::Parse("m{a=\"1\"}")};
  const auto section = SectionBuilder()
                           .Family("m", MetricType::kGauge)
                           .Double({{"a", "1"}}, 1)
                           .Double({{"a", "2"}}, 2)
                           .Family("n", MetricType::kGauge)
                           .Double({{"a", "1"}}, 3)
                           .Build();
  EXPECT_EQ(Text({RecordOf(SnapshotOf({section}, kStartNs))}, options),
            "# TYPE m gauge\nm{a=\"1\",instance=\"web-1\"} 1 1700000000.000\n# EOF\n");
}

// A history of 40 series in 10 families over 25 ticks, in which series come and go.
std::vector<Record> History() {
  std::vector<Record> records;
  for (int tick = 0; tick < 25; ++tick) {
    SectionBuilder builder;
    for (int family = 0; family < 10; ++family) {
      builder.Family("family_" + std::to_string(family) + (family % 2 == 0 ? "_total" : ""),
                     family % 2 == 0 ? MetricType::kCounter : MetricType::kGauge, "Help.");
      for (int series = 0; series < 4; ++series) {
        const std::vector<spool::Label> labels = {{"series", std::to_string(series)}};
        if ((tick + family + series) % 7 == 0) {
          builder.Absent(labels);
        } else {
          builder.Double(labels, tick * 100 + family * 10 + series);
        }
      }
    }
    records.push_back(RecordOf(SnapshotOf({builder.Build()}, kStartNs + tick * 10 * kSecondNs),
                               static_cast<Sequence>(tick + 1)));
  }
  return records;
}

TEST(ExpositionOpenMetricsTest, HowMuchFitsInMemoryChangesNothing) {
  std::vector<Record> records = History();
  const Written at_once = Write(records, Options());
  EXPECT_EQ(at_once.passes, 2);
  for (const std::size_t samples_per_pass : std::vector<std::size_t>{1, 30, 100, 500}) {
    OpenMetricsOptions options = Options();
    options.samples_per_pass = samples_per_pass;
    const Written piecemeal = Write(records, options);
    EXPECT_EQ(piecemeal.text, at_once.text) << samples_per_pass;
    EXPECT_GT(piecemeal.passes, 2);
  }
}

TEST(ExpositionOpenMetricsTest, WhatIsAppendedMeanwhileIsLeftOut) {
  std::vector<Record> records = History();
  const std::string before = Text(records);
  OpenMetricsOptions options = Options();
  options.samples_per_pass = 100;
  const Written written = Write(records, options, [&](int pass) {
    if (pass == 1) return;
    Record later = records.back();  // the same series, and a new origin
    ++later.sequence;
    later.time += std::chrono::seconds(10);
    records.push_back(later);
    records.push_back(GaugeRecord(1, kStartNs, 1, '\xab'));
  });
  EXPECT_EQ(written.text, before);
}

TEST(ExpositionOpenMetricsTest, WhatIsEvictedMeanwhileLeavesNoEmptyFamilies) {
  std::vector<Record> records = History();
  const Written written = Write(records, Options(), [&](int pass) {
    if (pass == 2) records.clear();
  });
  EXPECT_EQ(written.text, "# EOF\n");
}

TEST(ExpositionOpenMetricsTest, StopsWhenNobodyReads) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  const auto handler = std::signal(SIGPIPE, SIG_IGN);
  Output output(ends[1], "pipe");
  const std::vector<Record> records = History();
  const auto summary = WriteOpenMetrics(
      [&](const std::function<bool(const Record&)>& visit) -> Result<void> {
        for (const Record& record : records) visit(record);
        return {};
      },
      Options(), output);
  std::signal(SIGPIPE, handler);
  ::close(ends[1]);
  ASSERT_TRUE(summary) << "a closed pipe is no error";
  EXPECT_TRUE(summary->reader_gone);
}

TEST(ExpositionOpenMetricsTest, AnErrorOfTheSpoolIsHandedOn) {
  Output output(1, "unused");
  const auto summary = WriteOpenMetrics(
      [](const std::function<bool(const Record&)>&) -> Result<void> {
        return Fail(ErrorCode::kFatal, "spool.db", "gone");
      },
      Options(), output);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().where, "spool.db");
}

TEST(ExpositionOpenMetricsTest, PromtoolMakesBlocksOfIt) {
  if (!test::HavePromtool()) GTEST_SKIP() << test::kNoPromtool;
  std::vector<Record> records = History();
  const auto odd = SectionBuilder()
                       .Family("odd", MetricType::kUntyped, "\\ \"odd\"\n", {}, "bytes")
                       .Double({{"v", "\\ \" \n ä \xff"}}, 0)
                       .Family("forks", MetricType::kCounter)
                       .Double({}, std::nan(""))
                       .Family("h_bucket", MetricType::kHistogram)
                       .Double({{"le", "+Inf"}}, 1)
                       .Family("h_count", MetricType::kHistogram)
                       .Double({}, 1)
                       .Build();
  // Three hours apart: more than one block.
  records.push_back(RecordOf(SnapshotOf({odd}, kStartNs + 3 * 3600 * kSecondNs + 7'000'000), 26));
  const Written written = Write(records, Options());

  const test::TempDir folder;
  const std::string file = (folder / "history.om").string();
  const std::string data = (folder / "data").string();
  std::ofstream(file, std::ios::binary) << written.text;
  const auto made =
      test::RunCommand("promtool tsdb create-blocks-from openmetrics " + file + " " + data);
  ASSERT_EQ(made.status, 0) << made.output << written.text;

  // Without a log, dump takes it for no database. Newer versions want a `data` where they start,
  // for temporary files, and older ones do not know the option that names another place.
  std::filesystem::create_directory(data + "/wal");
  const auto dumped =
      test::RunCommand("cd '" + folder.path().string() + "' && promtool tsdb dump data");
  ASSERT_EQ(dumped.status, 0) << dumped.output;
  std::size_t lines = 0;
  for (const char c : dumped.output) lines += c == '\n' ? 1 : 0;
  EXPECT_EQ(lines, written.summary.samples);
  EXPECT_THAT(dumped.output,
              HasSubstr("{__name__=\"family_3\", instance=\"web-1\", series=\"2\"} 2432 "
                        "1700000240000\n"));
  EXPECT_THAT(dumped.output, HasSubstr(" 1700010800007\n"));

  std::ofstream(file, std::ios::binary) << "# TYPE m untyped\n";
  EXPECT_NE(
      test::RunCommand("promtool tsdb create-blocks-from openmetrics " + file + " " + data).status,
      0)
      << "promtool judges nothing";
}

}  // namespace
}  // namespace doagent::cli
