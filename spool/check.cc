#include "spool/check.h"

#include <cstdio>
#include <cstdlib>

namespace doagent {

void CheckFailed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "do-agent: broken invariant at %s:%d: %s\n", file, line, expression);
  std::abort();
}

}  // namespace doagent
