#include "tools/cli/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "tests/tools/exposition_support.h"
#include "tests/tools/run_command.h"

namespace doagent::cli {
namespace {

using spool::MetricType;
using spool::Representation;
using spool::ValueKind;
using test::SectionBuilder;
using test::SnapshotOf;
using ::testing::HasSubstr;

constexpr Representation kSigned{ValueKind::kSigned, 1, 1};
constexpr Representation kUnsigned{ValueKind::kUnsigned, 1, 1};
constexpr Representation kTicks{ValueKind::kUnsigned, 1, 100};
constexpr Representation kKilobytes{ValueKind::kUnsigned, 1024, 1};
constexpr Representation kConstant{ValueKind::kConstant, 1, 1};

std::string Exposition(const std::vector<spool::Section>& sections) {
  std::string out;
  EXPECT_EQ(AppendExposition(SnapshotOf(sections), out), 0U);
  return out;
}

TEST(ExpositionTest, WritesFamiliesSortedByName) {
  const auto late =
      SectionBuilder()
          .Family("node_load1", MetricType::kGauge, "1m load average.")
          .Double({}, 0.52)
          .Family("node_cpu_seconds_total", MetricType::kCounter, "Seconds the CPUs spent.", kTicks)
          .Bits({{"cpu", "0"}, {"mode", "idle"}}, 12345)
          .Bits({{"cpu", "0"}, {"mode", "user"}}, 6)
          .Build();
  const auto early =
      SectionBuilder().Family("a_bytes", MetricType::kUntyped, "", kKilobytes).Bits({}, 3).Build();
  EXPECT_EQ(Exposition({late, early}),
            "# TYPE a_bytes untyped\n"
            "a_bytes 3072\n"
            "# HELP node_cpu_seconds_total Seconds the CPUs spent.\n"
            "# TYPE node_cpu_seconds_total counter\n"
            "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 123.45\n"
            "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 0.06\n"
            "# HELP node_load1 1m load average.\n"
            "# TYPE node_load1 gauge\n"
            "node_load1 0.52\n");
}

TEST(ExpositionTest, JoinsAFamilyOfSeveralSections) {
  const auto one = SectionBuilder()
                       .Family("m", MetricType::kGauge, "first help")
                       .Double({{"a", "1"}}, 1)
                       .Family("n", MetricType::kGauge)
                       .Double({}, 5)
                       .Build();
  const auto other = SectionBuilder()
                         .Family("m", MetricType::kGauge, "other help", kSigned)
                         .Bits({{"a", "2"}}, 2)
                         .Build();
  EXPECT_EQ(Exposition({one, other}),
            "# HELP m first help\n# TYPE m gauge\nm{a=\"1\"} 1\nm{a=\"2\"} 2\n"
            "# TYPE n gauge\nn 5\n");
}

TEST(ExpositionTest, LeavesOutWhatIsAbsent) {
  const auto section = SectionBuilder()
                           .Family("gone", MetricType::kGauge)
                           .Absent({})
                           .Family("m", MetricType::kGauge)
                           .Absent({{"a", "1"}})
                           .Double({{"a", "2"}}, 2)
                           .Build();
  EXPECT_EQ(Exposition({section}), "# TYPE m gauge\nm{a=\"2\"} 2\n");
}

TEST(ExpositionTest, WritesValuesSoThatTheyReadBack) {
  const std::vector<double> values = {0.1, 1e-7, 1.0 / 3, 1e21, -2.5, 123456789.0, 5e-324};
  SectionBuilder builder;
  builder.Family("m", MetricType::kGauge);
  for (std::size_t i = 0; i < values.size(); ++i) {
    builder.Double({{"i", std::to_string(i)}}, values[i]);
  }
  const std::string text = Exposition({builder.Build()});
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string series = "m{i=\"" + std::to_string(i) + "\"} ";
    const std::size_t start = text.find(series);
    ASSERT_NE(start, std::string::npos);
    EXPECT_EQ(std::strtod(text.c_str() + start + series.size(), nullptr), values[i]);
  }
  EXPECT_THAT(text, HasSubstr("} 0.1\n"));
  EXPECT_THAT(text, HasSubstr("} 123456789\n"));
}

TEST(ExpositionTest, WritesTheSpecialValues) {
  const auto section = SectionBuilder()
                           .Family("m", MetricType::kGauge)
                           .Double({{"v", "nan"}}, std::nan(""))
                           .Double({{"v", "up"}}, std::numeric_limits<double>::infinity())
                           .Double({{"v", "down"}}, -std::numeric_limits<double>::infinity())
                           .Build();
  EXPECT_EQ(Exposition({section}),
            "# TYPE m gauge\nm{v=\"nan\"} NaN\nm{v=\"up\"} +Inf\nm{v=\"down\"} -Inf\n");
}

TEST(ExpositionTest, InfoMetricsAreGaugesOfOne) {
  const auto section =
      SectionBuilder()
          .Family("node_uname_info", MetricType::kUntyped, "Labeled system information.", kConstant)
          .Bits({{"sysname", "Linux"}}, 0)
          .Build();
  EXPECT_EQ(Exposition({section}),
            "# HELP node_uname_info Labeled system information.\n"
            "# TYPE node_uname_info gauge\n"
            "node_uname_info{sysname=\"Linux\"} 1\n");
}

TEST(ExpositionTest, EscapesHelpAndLabelValues) {
  const auto section = SectionBuilder()
                           .Family("m", MetricType::kGauge, "a \\ b\nc \"d\"")
                           .Double({{"a", "x\\y\"z\n"}}, 1)
                           .Build();
  EXPECT_EQ(Exposition({section}),
            "# HELP m a \\\\ b\\nc \"d\"\n# TYPE m gauge\nm{a=\"x\\\\y\\\"z\\n\"} 1\n");
}

TEST(ExpositionTest, NamesFromElsewhereCannotForgeLines) {
  const auto section = SectionBuilder()
                           .Family("m} 1\nforged", MetricType::kGauge)
                           .Double({{"a\"b", "v"}, {"", "w"}, {"9", "\xff"}}, 1)
                           .Build();
  EXPECT_EQ(Exposition({section}),
            "# TYPE m__1_forged gauge\nm__1_forged{a_b=\"v\",_=\"w\",_=\"\xef\xbf\xbd\"} 1\n");
}

TEST(ExpositionTest, DeclaresAHistogramOnceAndKeepsItsPartsTogether) {
  const auto section = SectionBuilder()
                           .Family("rpc_seconds_sum", MetricType::kHistogram, "Duration.")
                           .Double({{"op", "a"}}, 1.5)
                           .Double({{"op", "b"}}, 2.5)
                           .Family("rpc_seconds_bucket", MetricType::kHistogram, "Duration.")
                           .Double({{"op", "a"}, {"le", "1"}}, 1)
                           .Double({{"op", "b"}, {"le", "1"}}, 0)
                           .Double({{"op", "a"}, {"le", "+Inf"}}, 2)
                           .Double({{"op", "b"}, {"le", "+Inf"}}, 1)
                           .Family("rpc_seconds_count", MetricType::kHistogram, "Duration.")
                           .Double({{"op", "a"}}, 2)
                           .Double({{"op", "b"}}, 1)
                           .Build();
  const std::string text = Exposition({section});
  EXPECT_EQ(text,
            "# HELP rpc_seconds Duration.\n"
            "# TYPE rpc_seconds histogram\n"
            "rpc_seconds_bucket{op=\"a\",le=\"1\"} 1\n"
            "rpc_seconds_bucket{op=\"a\",le=\"+Inf\"} 2\n"
            "rpc_seconds_sum{op=\"a\"} 1.5\n"
            "rpc_seconds_count{op=\"a\"} 2\n"
            "rpc_seconds_bucket{op=\"b\",le=\"1\"} 0\n"
            "rpc_seconds_bucket{op=\"b\",le=\"+Inf\"} 1\n"
            "rpc_seconds_sum{op=\"b\"} 2.5\n"
            "rpc_seconds_count{op=\"b\"} 1\n");
}

TEST(ExpositionTest, DeclaresASummaryOnce) {
  const auto section = SectionBuilder()
                           .Family("gc_seconds", MetricType::kSummary)
                           .Double({{"quantile", "0.5"}}, 0.25)
                           .Family("gc_seconds_count", MetricType::kSummary)
                           .Double({}, 4)
                           .Build();
  EXPECT_EQ(Exposition({section}),
            "# TYPE gc_seconds summary\n"
            "gc_seconds{quantile=\"0.5\"} 0.25\n"
            "gc_seconds_count 4\n");
}

TEST(ExpositionTest, FamiliesThatContradictEachOtherAreUntyped) {
  const auto one = SectionBuilder().Family("m", MetricType::kGauge).Double({{"a", "1"}}, 1).Build();
  const auto other =
      SectionBuilder().Family("m", MetricType::kCounter).Double({{"a", "2"}}, 2).Build();
  const auto lost = SectionBuilder().Family("odd", MetricType::kHistogram).Double({}, 3).Build();
  EXPECT_EQ(Exposition({one, other, lost}),
            "# TYPE m untyped\nm{a=\"1\"} 1\nm{a=\"2\"} 2\n# TYPE odd untyped\nodd 3\n");
}

TEST(ExpositionTest, OfASeriesGivenTwiceTheLastStays) {
  const auto one = SectionBuilder()
                       .Family("m", MetricType::kGauge)
                       .Double({{"a", "1"}}, 1)
                       .Double({{"a", "2"}}, 2)
                       .Double({{"a", "1"}}, 3)
                       .Build();
  std::string out;
  EXPECT_EQ(AppendExposition(SnapshotOf({one, one}), out), 4U);
  EXPECT_EQ(out, "# TYPE m gauge\nm{a=\"1\"} 3\nm{a=\"2\"} 2\n");
}

TEST(ExpositionTest, PromtoolAcceptsIt) {
  const auto section =
      SectionBuilder()
          .Family("node_boot_time_seconds", MetricType::kGauge, "Node boot time.", kUnsigned)
          .Bits({}, 1'700'000'000)
          .Family("node_big_total", MetricType::kCounter, "Beyond 2^53.", kUnsigned)
          .Bits({}, std::numeric_limits<std::uint64_t>::max())
          .Family("node_odd", MetricType::kGauge, "Odd \\ \"values\"\nof all kinds.")
          .Double({{"v", "a\\b\"c\nd"}}, std::nan(""))
          .Double({{"v", "ä€"}}, -std::numeric_limits<double>::infinity())
          .Double({{"v", "small"}}, 5e-324)
          .Family("rpc_seconds_bucket", MetricType::kHistogram, "Duration.")
          .Double({{"le", "1"}}, 1)
          .Double({{"le", "+Inf"}}, 2)
          .Family("rpc_seconds_sum", MetricType::kHistogram, "Duration.")
          .Double({}, 1.5)
          .Family("rpc_seconds_count", MetricType::kHistogram, "Duration.")
          .Double({}, 2)
          .Build();
  if (!test::HavePromtool()) GTEST_SKIP() << test::kNoPromtool;
  const auto checked = test::RunWithInput("promtool check metrics", Exposition({section}));
  EXPECT_EQ(checked.status, 0) << checked.output;
  EXPECT_EQ(checked.output, "");

  const auto broken = test::RunWithInput("promtool check metrics", "m{ 1\n");
  EXPECT_NE(broken.status, 0) << "promtool judges nothing";
}

}  // namespace
}  // namespace doagent::cli
