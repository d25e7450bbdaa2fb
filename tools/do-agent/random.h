// Randomness from the kernel.
#pragma once

#include <cstdint>
#include <functional>

namespace doagent::agent {

std::uint64_t SystemRandom();

// Uniform in [0, 1), seeded from SystemRandom. Not thread-safe.
std::function<double()> UniformRandom();

}  // namespace doagent::agent
