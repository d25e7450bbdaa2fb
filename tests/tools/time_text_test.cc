#include "tools/cli/time_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

namespace doagent::cli {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kSecond = 1'000'000'000;
const WallTime kNow = FromUnixNanoseconds(1'714'979'289 * kSecond);  // 2024-05-06T07:08:09Z

TEST(TimeText, ReadsWhatPeopleWrite) {
  const std::pair<const char*, std::int64_t> cases[] = {
      {"2024-05-06T07:08:09Z", 1'714'979'289 * kSecond},
      {"2024-05-06t07:08:09z", 1'714'979'289 * kSecond},
      {"2024-05-06 07:08:09Z", 1'714'979'289 * kSecond},
      {"2024-05-06T07:08:09.5Z", 1'714'979'289 * kSecond + 500'000'000},
      {"2024-05-06T07:08:09.123456789987Z", 1'714'979'289 * kSecond + 123'456'789},
      {"2024-05-06T09:08:09+02:00", 1'714'979'289 * kSecond},
      {"2024-05-06T01:38:09-05:30", 1'714'979'289 * kSecond},
      {"2024-02-29T00:00:00Z", 1'709'164'800 * kSecond},
      {"2016-12-31T23:59:60Z", 1'483'228'800 * kSecond},
      {"1969-12-31T23:59:59.25Z", -kSecond + 250'000'000},
      {"1714979289", 1'714'979'289 * kSecond},
      {"1714979289.001", 1'714'979'289 * kSecond + 1'000'000},
      {"0", 0},
      {"-2h", (1'714'979'289 - 7200) * kSecond},
      {"-1d12h", (1'714'979'289 - 129'600) * kSecond},
      {"-0", 1'714'979'289 * kSecond},
      {"2262-04-11T23:47:16.854775807Z", std::numeric_limits<std::int64_t>::max()},
  };
  for (const auto& [text, expected] : cases) {
    const auto time = ParseTime(text, kNow);
    ASSERT_TRUE(time) << text << ": " << time.error().Message();
    EXPECT_EQ(UnixNanoseconds(*time), expected) << text;
  }
}

TEST(TimeText, RefusesTheRestWithTheTextAndExamples) {
  for (const char* text : {"",
                           "-",
                           "now",
                           "yesterday",
                           "2024-05-06",
                           "2024-05-06T07:08:09",
                           "2024-05-06T07:08Z",
                           "2024-13-06T07:08:09Z",
                           "2024-00-06T07:08:09Z",
                           "2023-02-29T00:00:00Z",
                           "2024-05-06T24:08:09Z",
                           "2024-05-06T07:60:09Z",
                           "2024-05-06T07:08:61Z",
                           "2024-05-06T07:08:09.Z",
                           "2024-05-06T07:08:09+2:00",
                           "2024-05-06T07:08:09+02",
                           "2024-05-06T07:08:09+24:00",
                           "2024-05-06T07:08:09Zx",
                           "24-05-06T07:08:09Z",
                           "1714979289.",
                           ".5",
                           "1.5.5",
                           "1714979289s",
                           "-5",
                           "-1.5h",
                           "--2h",
                           "+5"}) {
    const auto time = ParseTime(text, kNow);
    ASSERT_FALSE(time) << text;
    EXPECT_EQ(time.error().code, ErrorCode::kRefuse);
    EXPECT_THAT(time.error().what, HasSubstr("\"" + std::string(text) + "\""));
    EXPECT_THAT(time.error().what, HasSubstr("-2h (two hours ago)"));
  }
}

TEST(TimeText, OverflowIsAnError) {
  for (const char* text :
       {"99999999999999999999", "9223372037", "9223372036.854775808", "2262-04-11T23:47:17Z",
        "1677-01-01T00:00:00Z", "9999-12-31T23:59:59Z"}) {
    const auto time = ParseTime(text, kNow);
    ASSERT_FALSE(time) << text;
    EXPECT_THAT(time.error().what, HasSubstr("out of range"));
  }
  EXPECT_FALSE(ParseTime("-1d", FromUnixNanoseconds(std::numeric_limits<std::int64_t>::min())));
}

TEST(TimeText, IsWrittenInUtcWithMillisecondsRoundedDown) {
  EXPECT_EQ(FormatTime(kNow), "2024-05-06T07:08:09.000Z");
  EXPECT_EQ(FormatTime(FromUnixNanoseconds(999'999)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(FormatTime(FromUnixNanoseconds(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(FormatTime(FromUnixNanoseconds(1'709'164'800 * kSecond + 42'000'000)),
            "2024-02-29T00:00:00.042Z");
}

RC_GTEST_PROP(TimeText, ReadsBackWhatItWrote, ()) {
  const auto ms = *rc::gen::inRange<std::int64_t>(-9'223'372'036'854, 9'223'372'036'854);
  const WallTime time = FromUnixNanoseconds(ms * 1'000'000);
  const auto read = ParseTime(FormatTime(time), kNow);
  RC_ASSERT(read.has_value());
  RC_ASSERT(*read == time);
}

}  // namespace
}  // namespace doagent::cli
