// Checks of invariants: on in release builds too. A failed check is a defect of ours, never bad
// input; it says where it stands and stops the process before anything wrong is stored.
#pragma once

namespace doagent {

[[noreturn]] void CheckFailed(const char* expression, const char* file, int line);

}  // namespace doagent

#define DOAGENT_CHECK(expression)                       \
  (static_cast<bool>(expression) ? static_cast<void>(0) \
                                 : ::doagent::CheckFailed(#expression, __FILE__, __LINE__))
