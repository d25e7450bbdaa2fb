#include "tools/cli/size.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <string>

namespace doagent::cli {
namespace {

using testing::HasSubstr;

TEST(Size, ReadsWhatPeopleWrite) {
  const std::pair<const char*, std::uint64_t> cases[] = {
      {"0", 0},
      {"4096", 4096},
      {"4096B", 4096},
      {"64KiB", 65'536},
      {"64MiB", 67'108'864},
      {"1GiB", 1'073'741'824},
      {"2TiB", 2'199'023'255'552},
      {"10KB", 10'000},
      {"10kB", 10'000},
      {"500MB", 500'000'000},
      {"1GB", 1'000'000'000},
      {"1TB", 1'000'000'000'000},
      {"18446744073709551615", UINT64_MAX},
      {"16777215TiB", UINT64_MAX - (std::uint64_t{1} << 40) + 1},
  };
  for (const auto& [text, expected] : cases) {
    const auto size = ParseSize(text);
    ASSERT_TRUE(size) << text << ": " << size.error().Message();
    EXPECT_EQ(*size, expected) << text;
  }
}

TEST(Size, RefusesTheRestWithTheTextAndExamples) {
  for (const char* text : {"", "MiB", "-1", "+1", "1.5GiB", "1 GiB", "1GiB ", "64mib", "64M", "1e6",
                           "0x10", "1GiB2", "lots"}) {
    const auto size = ParseSize(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().code, ErrorCode::kRefuse);
    EXPECT_THAT(size.error().what, HasSubstr("\"" + std::string(text) + "\""));
    EXPECT_THAT(size.error().what, HasSubstr("64MiB"));
  }
}

TEST(Size, OverflowIsAnError) {
  for (const char* text : {"18446744073709551616", "16777216TiB", "99999999999999999999GiB"}) {
    const auto size = ParseSize(text);
    ASSERT_FALSE(size) << text;
    EXPECT_THAT(size.error().what, HasSubstr("too large"));
  }
}

TEST(Size, IsWrittenWithTheLargestUnitThatDividesIt) {
  EXPECT_EQ(FormatSize(0), "0");
  EXPECT_EQ(FormatSize(1000), "1000");
  EXPECT_EQ(FormatSize(1024), "1KiB");
  EXPECT_EQ(FormatSize(1536), "1536");
  EXPECT_EQ(FormatSize(64 << 20), "64MiB");
}

RC_GTEST_PROP(Size, ReadsBackWhatItWrote, (std::uint64_t bytes)) {
  const auto shift = *rc::gen::inRange(0, 64);
  const auto size = ParseSize(FormatSize(bytes << shift));
  RC_ASSERT(size.has_value());
  RC_ASSERT(*size == bytes << shift);
}

}  // namespace
}  // namespace doagent::cli
