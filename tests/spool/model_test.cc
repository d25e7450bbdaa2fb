// Scaled integers become the doubles that exact arithmetic rounds to.

#include "spool/model.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

namespace doagent::spool {
namespace {

__extension__ using Int128 = __int128;

// |value × div - integer × mul|, exactly, for a value that is a multiple of 2^-shift.
Int128 Distance(double value, Int128 exact, std::uint64_t div, int shift) {
  const auto scaled = static_cast<Int128>(std::ldexp(value, shift));
  const Int128 difference = scaled * static_cast<Int128>(div) - (exact << shift);
  return difference < 0 ? -difference : difference;
}

RC_GTEST_PROP(ToDoubleTest, NoOtherDoubleIsNearer, ()) {
  // Small enough that everything below is exact in 128 bits.
  const auto integer = *rc::gen::inRange<std::int64_t>(-(1LL << 40), 1LL << 40);
  const auto mul = *rc::gen::element<std::uint64_t>(1, 512, 1024, 4096, 7);
  const auto div = *rc::gen::element<std::uint64_t>(1, 3, 100, 1000, 1'000'000);
  const double value =
      ToDouble({ValueKind::kSigned, mul, div}, static_cast<std::uint64_t>(integer));
  const Int128 exact = static_cast<Int128>(integer) * static_cast<Int128>(mul);
  constexpr int kShift = 52;
  if (std::abs(value) < 1) return;  // finer than the shift
  const Int128 distance = Distance(value, exact, div, kShift);
  RC_ASSERT(distance <= Distance(std::nextafter(value, 1e300), exact, div, kShift));
  RC_ASSERT(distance <= Distance(std::nextafter(value, -1e300), exact, div, kShift));
}

TEST(ToDoubleTest, ZeroStaysZeroWhateverItIsDividedBy) {
  EXPECT_EQ(ToDouble({ValueKind::kUnsigned, 1, ~std::uint64_t{0}}, 0), 0.0);
  EXPECT_EQ(ToDouble({ValueKind::kSigned, 1, std::uint64_t{1} << 53}, 0), 0.0);
}

TEST(ToDoubleTest, DividesInsteadOfMultiplyingByAnInverse) {
  EXPECT_EQ(ToDouble({ValueKind::kSigned, 1, 1000}, 1'234'567), 1234.567);
  EXPECT_EQ(ToDouble({ValueKind::kSigned, 1, 100}, 21643), 216.43);
  EXPECT_EQ(ToDouble({ValueKind::kSigned, 1, 10}, 3), 0.3);
  EXPECT_NE(3 * 0.1, 0.3);  // what the rule is for
}

TEST(ToDoubleTest, TheWholeRangeOfUnsignedIntegers) {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(ToDouble({ValueKind::kUnsigned, 1, 1}, kMax), 18446744073709551616.0);
  EXPECT_EQ(ToDouble({ValueKind::kUnsigned, 4096, 1}, kMax), 75557863725914323419136.0);
  EXPECT_EQ(ToDouble({ValueKind::kUnsigned, 1, 1000}, kMax), 18446744073709551.615);
  // 2^53 + 1 lies between two doubles; half way goes to the even one.
  EXPECT_EQ(ToDouble({ValueKind::kUnsigned, 1, 1}, (1ULL << 53) + 1), 9007199254740992.0);
  EXPECT_EQ(ToDouble({ValueKind::kUnsigned, 1, 1}, (1ULL << 53) + 3), 9007199254740996.0);
}

TEST(ToDoubleTest, SignedMinimumHasAMagnitude) {
  const auto minimum = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(ToDouble({ValueKind::kSigned, 1, 1}, minimum), -9223372036854775808.0);
}

TEST(ToDoubleTest, ConstantsAreOneAndDoublesKeepTheirBits) {
  EXPECT_EQ(ToDouble({ValueKind::kConstant, 1, 1}, 0), 1.0);
  const std::uint64_t payload = 0x7ff8000000001234;
  EXPECT_EQ(BitsOf(ToDouble({ValueKind::kDouble, 1, 1}, payload)), payload);
}

}  // namespace
}  // namespace doagent::spool
