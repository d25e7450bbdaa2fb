// Small files: /proc/loadavg, /proc/sys/fs/file-nr, clock sources, single numbers; and the helpers
// that all parsers share.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "collector/clocksource.h"
#include "collector/file_nr.h"
#include "collector/loadavg.h"
#include "collector/scan.h"
#include "collector/sysfs_number.h"

namespace doagent::collector {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Loadavg, ThreeAverages) {
  const auto load = ParseLoadavg("0.21 12.37 100.09 1/719 19737\n");
  ASSERT_TRUE(load);
  EXPECT_THAT(load->hundredths, ElementsAre(21, 1237, 10009));
  EXPECT_TRUE(ParseLoadavg("184467440737095516.15 0.00 0.00"));
}

TEST(Loadavg, Nonsense) {
  for (const std::string text :
       {"", "\n", "0.21", "0.21 0.37", "0.21 0.37 0.3", "0.21 0.37 0.391 1/2 3", "1 2 3",
        "a.bc 0.00 0.00", "-0.21 0.37 0.39", "0.-1 0.37 0.39", ".21 0.37 0.39",
        "184467440737095516.16 0.00 0.00", "99999999999999999999.00 0.00 0.00"}) {
    const auto load = ParseLoadavg(text);
    ASSERT_FALSE(load) << text;
    EXPECT_THAT(load.error().what, HasSubstr("three load averages"));
  }
}

TEST(FileNr, ThreeNumbers) {
  const auto files = ParseFileNr("495\t0\t9223372036854775807\n");
  ASSERT_TRUE(files);
  EXPECT_EQ(files->allocated, 495);
  EXPECT_EQ(files->unused, 0);
  EXPECT_EQ(files->maximum, 9223372036854775807U);
}

TEST(FileNr, Nonsense) {
  for (const std::string text :
       {"", "\n", "1", "1\t2", "1\t2\t3\t4", "1\t2\tx", "1\t2\t-3", "18446744073709551616\t0\t1"}) {
    EXPECT_FALSE(ParseFileNr(text)) << text;
  }
}

TEST(Clocksource, Names) {
  std::vector<std::string_view> names;
  ASSERT_TRUE(ParseClocksources("tsc kvm-clock \n", names));
  EXPECT_THAT(names, ElementsAre("tsc", "kvm-clock"));
  ASSERT_TRUE(ParseClocksources("hpet", names));
  EXPECT_THAT(names, ElementsAre("hpet"));
}

TEST(Clocksource, Nonsense) {
  std::vector<std::string_view> names;
  std::string many;
  for (int i = 0; i < 65; ++i) many += "c" + std::to_string(i) + " ";
  for (const std::string& text : {std::string(), std::string(" \n"), std::string("ts\xff"),
                                  std::string("t\0c", 3), std::string(32, 'a'), many}) {
    EXPECT_FALSE(ParseClocksources(text, names)) << text;
  }
}

TEST(SysfsNumber, OneNumber) {
  EXPECT_EQ(ParseSysfsNumber("42\n").value_or(0), 42);
  EXPECT_EQ(ParseSysfsNumber("18446744073709551615").value_or(0), 18446744073709551615U);
  for (const std::string text : {"", "\n", "1 2", "x", "-1", "1.5", "18446744073709551616"}) {
    EXPECT_FALSE(ParseSysfsNumber(text)) << text;
  }
}

TEST(Scan, QuoteIsShortAndPrintable) {
  EXPECT_EQ(Quote("a\tb\xff"), "\"a\\x09b\\xff\"");
  EXPECT_EQ(Quote(std::string(200, 'x')), "\"" + std::string(80, 'x') + "…\"");
}

}  // namespace
}  // namespace doagent::collector
