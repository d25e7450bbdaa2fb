// Counts this thread's allocations: the test program's global operator new is replaced.
#pragma once

#include <cstdint>

namespace doagent::test {

std::uint64_t AllocationCount();

}  // namespace doagent::test
