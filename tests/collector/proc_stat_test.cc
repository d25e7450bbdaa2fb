#include "collector/proc_stat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace doagent::collector {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ProcStat Parsed(std::string_view text) {
  ProcStat stat;
  const auto parsed = ParseProcStat(text, stat);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().Message());
  return stat;
}

std::string ErrorOf(std::string_view text) {
  ProcStat stat;
  const auto parsed = ParseProcStat(text, stat);
  return parsed ? "parsed" : parsed.error().what;
}

TEST(ProcStat, CurrentKernel) {
  const ProcStat stat = Parsed(
      "cpu  3660 0 2475 337789 408 0 44 9 0 0\n"
      "cpu0 1272 1 913 169955 8 2 11 3 4 5\n"
      "cpu7 2388 0 1561 167834 399 0 33 6 0 0\n"
      "intr 216249 0 9 0\nctxt 448068\nbtime 1795364676\nprocesses 5908\n"
      "procs_running 2\nprocs_blocked 1\nsoftirq 198899 0 27551\n");
  ASSERT_EQ(stat.cpus.size(), 2);
  EXPECT_EQ(stat.cpus[0].cpu, 0);
  EXPECT_EQ(stat.cpus[0].columns, 10);
  EXPECT_THAT(stat.cpus[0].ticks, ElementsAre(1272, 1, 913, 169955, 8, 2, 11, 3, 4, 5));
  EXPECT_EQ(stat.cpus[1].cpu, 7);
  EXPECT_EQ(stat.interrupts, 216249);
  EXPECT_EQ(stat.context_switches, 448068);
  EXPECT_EQ(stat.boot_time, 1795364676);
  EXPECT_EQ(stat.forks, 5908);
  EXPECT_EQ(stat.procs_running, 2);
  EXPECT_EQ(stat.procs_blocked, 1);
}

TEST(ProcStat, OldKernelsHaveFewerColumnsAndLines) {
  const ProcStat stat = Parsed("cpu0 1 2 3 4\npage 1 2\ndisk_io: (3,0):(1,1)\n");
  EXPECT_EQ(stat.cpus[0].columns, 4);
  EXPECT_EQ(stat.forks, std::nullopt);
}

TEST(ProcStat, StorageIsReusedWithoutOldValues) {
  ProcStat stat = Parsed("cpu0 1 2 3 4 5\nctxt 9\n");
  ASSERT_TRUE(ParseProcStat("cpu1 1 2 3 4\n", stat));
  EXPECT_EQ(stat.cpus.size(), 1);
  EXPECT_EQ(stat.cpus[0].ticks[4], 0);
  EXPECT_EQ(stat.context_switches, std::nullopt);
}

TEST(ProcStat, Extremes) {
  EXPECT_EQ(Parsed("intr 18446744073709551615\n").interrupts, 18446744073709551615U);
  EXPECT_THAT(ErrorOf("intr 18446744073709551616\n"), HasSubstr("not a number"));
  EXPECT_EQ(Parsed("cpu0 1 2 3 4\nctxt 5").context_switches, 5);  // no newline at the end
}

TEST(ProcStat, Nonsense) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("no line of /proc/stat"));
  EXPECT_THAT(ErrorOf("hello\n"), HasSubstr("no line of /proc/stat: \"hello\""));
  EXPECT_THAT(ErrorOf("cpu0 1 2 3\n"), HasSubstr("fewer than four columns"));
  EXPECT_THAT(ErrorOf("cpu0 1 2 -3 4\n"), HasSubstr("not a number of ticks"));
  EXPECT_THAT(ErrorOf("cpu0 1 2 3 4x\n"), HasSubstr("not a number of ticks"));
  EXPECT_THAT(ErrorOf("cpux 1 2 3 4\n"), HasSubstr("not a CPU number"));
  EXPECT_THAT(ErrorOf("cpu99999 1 2 3 4\n"), HasSubstr("not a CPU number"));
  EXPECT_THAT(ErrorOf("cpu1 1 2 3 4\ncpu1 1 2 3 4\n"), HasSubstr("do not ascend"));
  EXPECT_THAT(ErrorOf("ctxt\n"), HasSubstr("not a number: \"ctxt\""));
  EXPECT_THAT(ErrorOf(std::string_view("cpu0\0 1 2 3 4", 13)), HasSubstr("\\x00"));
}

RC_GTEST_PROP(ProcStatProperty, RenderedTimesParseBack, (const std::vector<std::uint64_t>& seeds)) {
  ProcStat expected;
  std::string text;
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    CpuTimes times;
    times.cpu = static_cast<std::uint32_t>(i * 3);
    times.columns = 4 + static_cast<std::uint32_t>(seeds[i] % 7);
    text += "cpu" + std::to_string(times.cpu);
    for (std::size_t j = 0; j < times.columns; ++j) {
      times.ticks[j] = seeds[i] * (j + 1);
      text += " " + std::to_string(times.ticks[j]);
    }
    text += "\n";
    expected.cpus.push_back(times);
  }
  text += "btime 12\n";
  ProcStat stat;
  RC_ASSERT(ParseProcStat(text, stat).has_value());
  RC_ASSERT(stat.cpus.size() == expected.cpus.size());
  for (std::size_t i = 0; i < stat.cpus.size(); ++i) {
    RC_ASSERT(stat.cpus[i].cpu == expected.cpus[i].cpu);
    RC_ASSERT(stat.cpus[i].columns == expected.cpus[i].columns);
    RC_ASSERT(stat.cpus[i].ticks == expected.cpus[i].ticks);
  }
}

}  // namespace
}  // namespace doagent::collector
