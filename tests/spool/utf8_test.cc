// Any bytes as text that protobuf and the exposition format take.

#include "spool/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace doagent {
namespace {

TEST(Utf8, ValidTextStays) {
  for (const std::string text : {"", "eth0", "größe", "\xf0\x9f\x98\x80", "\xef\xbf\xbd"}) {
    EXPECT_EQ(ValidUtf8(text, 100), text);
  }
}

TEST(Utf8, RunsOfInvalidBytesAreReplacedOnce) {
  const std::string mark = "\xef\xbf\xbd";
  EXPECT_EQ(ValidUtf8("a\xff\xfe"
                      "b",
                      100),
            "a" + mark + "b");
  EXPECT_EQ(ValidUtf8("\xc3", 100), mark);              // cut off
  EXPECT_EQ(ValidUtf8("\xc0\xaf", 100), mark);          // overlong
  EXPECT_EQ(ValidUtf8("\xe0\x80\x80", 100), mark);      // overlong
  EXPECT_EQ(ValidUtf8("\xed\xa0\x80", 100), mark);      // a surrogate
  EXPECT_EQ(ValidUtf8("\xf4\x90\x80\x80", 100), mark);  // beyond U+10FFFF
  EXPECT_EQ(ValidUtf8("\x80x\x80", 100), mark + "x" + mark);
}

TEST(Utf8, TextIsCutBetweenCharacters) {
  const std::string mark = "\xef\xbf\xbd";
  EXPECT_EQ(ValidUtf8("größe", 4), "grö");
  EXPECT_EQ(ValidUtf8("größe", 3), "gr");
  EXPECT_EQ(ValidUtf8("größe", 0), "");
  // Each single bad byte grows to three.
  EXPECT_EQ(ValidUtf8("a\xff"
                      "a\xff",
                      5),
            "a" + mark + "a");
  EXPECT_EQ(ValidUtf8("ab\xff"
                      "c",
                      4),
            "ab");  // nothing after what did not fit
}

}  // namespace
}  // namespace doagent
