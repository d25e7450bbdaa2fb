#include "tools/cli/duration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <chrono>
#include <string>

namespace doagent::cli {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(Duration, ReadsWhatPeopleWrite) {
  const std::pair<const char*, Nanoseconds> cases[] = {
      {"500ms", 500ms},
      {"10s", 10s},
      {"5m", 5min},
      {"24h", 24h},
      {"7d", 7 * 24h},
      {"1h30m", 90min},
      {"1d2h3m4s5ms", 26h + 3min + 4s + 5ms},
      {"90m", 90min},
      {"0", 0s},
      {"0s", 0s},
      {"007s", 7s},
      {"106751d", 106751 * 24h},
  };
  for (const auto& [text, expected] : cases) {
    const auto duration = ParseDuration(text);
    ASSERT_TRUE(duration) << text << ": " << duration.error().Message();
    EXPECT_EQ(*duration, expected) << text;
  }
}

TEST(Duration, RefusesTheRestWithTheTextAndExamples) {
  for (const char* text :
       {"",    "10", "s",    "ms",   "-5s",  "+5s",  " 5s", "5s ",  "5 s",         "1.5h",
        "10x", "5M", "1m1h", "1h1h", "5sec", "1h30", "h1",  "10s,", "ten seconds", "1e3s"}) {
    const auto duration = ParseDuration(text);
    ASSERT_FALSE(duration) << text;
    EXPECT_EQ(duration.error().code, ErrorCode::kRefuse);
    EXPECT_THAT(duration.error().what, HasSubstr("\"" + std::string(text) + "\""));
    EXPECT_THAT(duration.error().what, HasSubstr("500ms, 10s"));
  }
}

TEST(Duration, OverflowIsAnErrorAtEachPlaceWhereItCanHappen) {
  for (const char* text : {"99999999999999999999d",      // the number
                           "106752d", "9223372036855s",  // the number with its unit
                           "106751d24h"}) {              // the sum
    const auto duration = ParseDuration(text);
    ASSERT_FALSE(duration) << text;
    EXPECT_THAT(duration.error().what, HasSubstr("too long"));
  }
}

TEST(Duration, IsWrittenAsShortAsItCanBe) {
  EXPECT_EQ(FormatDuration(0ns), "0s");
  EXPECT_EQ(FormatDuration(999us), "0s");
  EXPECT_EQ(FormatDuration(1500ms), "1s500ms");
  EXPECT_EQ(FormatDuration(90min), "1h30m");
  EXPECT_EQ(FormatDuration(168h), "7d");
}

RC_GTEST_PROP(Duration, ReadsBackWhatItWrote, ()) {
  const auto ms = *rc::gen::inRange<std::int64_t>(0, 9'223'372'036'854);
  const auto duration = ParseDuration(FormatDuration(std::chrono::milliseconds(ms)));
  RC_ASSERT(duration.has_value());
  RC_ASSERT(*duration == std::chrono::milliseconds(ms));
}

}  // namespace
}  // namespace doagent::cli
