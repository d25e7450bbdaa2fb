// How much the tests that go through very many cases do: under a sanitizer, which makes each case
// several times as slow, only every so manieth.
#pragma once

#include <cstddef>

namespace doagent::test {

#ifdef DOAGENT_SANITIZED
inline constexpr std::size_t kEveryNthCase = 10;
#else
inline constexpr std::size_t kEveryNthCase = 1;
#endif

}  // namespace doagent::test
