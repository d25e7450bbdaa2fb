#include "tools/do-agent/random.h"

#include <sys/random.h>

#include <random>

#include "spool/check.h"

namespace doagent::agent {

std::uint64_t SystemRandom() {
  std::uint64_t number = 0;
  // So few bytes come whole, and no signal interrupts it.
  DOAGENT_CHECK(::getrandom(&number, sizeof number, 0) == sizeof number);
  return number;
}

std::function<double()> UniformRandom() {
  return [generator = std::mt19937_64(SystemRandom())]() mutable {
    return std::generate_canonical<double, 53>(generator);
  };
}

}  // namespace doagent::agent
