#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

#include "spool/utf8.h"
#include "tools/cli/sample_format.h"

namespace doagent::cli {
namespace {

using spool::Representation;
using spool::ValueKind;

constexpr std::uint64_t kUnsignedMax = std::numeric_limits<std::uint64_t>::max();

std::string Value(ValueKind kind, std::uint64_t mul, std::uint64_t div, std::uint64_t bits) {
  std::string out;
  AppendValue({kind, mul, div}, bits, out);
  return out;
}

TEST(ExpositionValuesTest, IntegersKeepEveryDigit) {
  EXPECT_EQ(Value(ValueKind::kUnsigned, 1, 1, 0), "0");
  EXPECT_EQ(Value(ValueKind::kUnsigned, 1, 1, (std::uint64_t{1} << 53) + 1), "9007199254740993");
  EXPECT_EQ(Value(ValueKind::kUnsigned, 1, 1, kUnsignedMax), "18446744073709551615");
  EXPECT_EQ(Value(ValueKind::kUnsigned, 512, 1, kUnsignedMax), "9444732965739290426880");
  EXPECT_EQ(Value(ValueKind::kUnsigned, kUnsignedMax, 1, kUnsignedMax),
            "340282366920938463426481119284349108225");
  EXPECT_EQ(Value(ValueKind::kUnsigned, 10'000'000'000, 1, 1'000'000'000), "10000000000000000000");
  EXPECT_EQ(
      Value(ValueKind::kUnsigned, 10'000'000'000'000'000'000U, 1, 10'000'000'000'000'000'000U),
      "100000000000000000000000000000000000000");
  EXPECT_EQ(Value(ValueKind::kSigned, 1, 1, kUnsignedMax), "-1");
  EXPECT_EQ(Value(ValueKind::kSigned, 1, 1, std::uint64_t{1} << 63), "-9223372036854775808");
  EXPECT_EQ(Value(ValueKind::kSigned, 1024, 1, 3), "3072");
  EXPECT_EQ(Value(ValueKind::kConstant, 1, 1, 0), "1");
}

TEST(ExpositionValuesTest, ScaledValuesAreTheShortestThatReadBack) {
  EXPECT_EQ(Value(ValueKind::kUnsigned, 1, 100, 12345), "123.45");
  EXPECT_EQ(Value(ValueKind::kSigned, 1, 1000, ~std::uint64_t{0}), "-0.001");
  EXPECT_EQ(Value(ValueKind::kUnsigned, 1, 100, 100), "1");
}

TEST(ExpositionValuesTest, JsonQuotesWhatIsNoNumber) {
  const auto json = [](double value) {
    std::string out;
    AppendJsonValue({ValueKind::kDouble, 1, 1}, spool::BitsOf(value), out);
    return out;
  };
  EXPECT_EQ(json(std::nan("")), "\"NaN\"");
  EXPECT_EQ(json(std::numeric_limits<double>::infinity()), "\"+Inf\"");
  EXPECT_EQ(json(-std::numeric_limits<double>::infinity()), "\"-Inf\"");
  EXPECT_EQ(json(0.5), "0.5");
}

RC_GTEST_PROP(ExpositionValues, DoublesReadBack, (std::uint64_t bits)) {
  const double value = spool::ToDouble({ValueKind::kDouble, 1, 1}, bits);
  std::string text;
  AppendDouble(value, text);
  const double again = std::strtod(text.c_str(), nullptr);
  RC_ASSERT(spool::BitsOf(again) == bits || (std::isnan(again) && std::isnan(value)));
}

// Long multiplication in decimal, digit by digit, as the other opinion.
std::string Product(std::uint64_t a, std::uint64_t b) {
  const std::string x = std::to_string(a);
  const std::string y = std::to_string(b);
  std::string digits(x.size() + y.size(), '\0');  // least significant first
  for (std::size_t i = 0; i < x.size(); ++i) {
    int carry = 0;
    for (std::size_t j = 0; j < y.size() || carry > 0; ++j) {
      int sum = digits[i + j] + carry;
      if (j < y.size()) sum += (x[x.size() - 1 - i] - '0') * (y[y.size() - 1 - j] - '0');
      digits[i + j] = static_cast<char>(sum % 10);
      carry = sum / 10;
    }
  }
  while (digits.size() > 1 && digits.back() == '\0') digits.pop_back();
  std::string text;
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
    text += static_cast<char>('0' + *digit);
  }
  return text;
}

RC_GTEST_PROP(ExpositionValues, ProductsAreExact, ()) {
  const auto any = rc::gen::resize(rc::kNominalSize * 100, rc::gen::arbitrary<std::uint64_t>());
  const std::uint64_t a = *any;
  const std::uint64_t b = std::max<std::uint64_t>(1, *any);
  RC_ASSERT(Value(ValueKind::kUnsigned, b, 1, a) == Product(a, b));
}

TEST(ExpositionValuesTest, Utf8IsWhatUnicodeSays) {
  for (const char* good : {"", "a", "ä", "€", "😀", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xe2\x82",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
}

TEST(ExpositionValuesTest, PrintableTextCannotDriveATerminal) {
  std::string out;
  AppendPrintable("a\x1b[2J\r\n\x7f\xc2\x9b ä \xff", out);
  EXPECT_EQ(out, "a\\x1b[2J\\x0d\\x0a\\x7f\\x9b ä \xef\xbf\xbd");
}

// Whatever the bytes, another JSON reader accepts the string; what was UTF-8 comes back as it was.
RC_GTEST_PROP(ExpositionValues, AnyBytesMakeAJsonString, (const std::string& bytes)) {
  std::string text;
  AppendJsonString(bytes, text);
  const auto parsed = nlohmann::json::parse(text, nullptr, false);
  RC_ASSERT(parsed.is_string());
  std::string utf8;
  AppendUtf8(bytes, utf8);
  RC_ASSERT(parsed.get<std::string>() == utf8);
  RC_ASSERT(IsUtf8(utf8));
  RC_ASSERT(!IsUtf8(bytes) || utf8 == bytes);
}

}  // namespace
}  // namespace doagent::cli
