#include "tools/do-agent-spool/progress_line.h"

#include <chrono>
#include <cstdio>

namespace doagent::spool_tool {
namespace {

constexpr std::chrono::milliseconds kInterval{500};
constexpr const char* kClearLine = "\r\x1b[K";

}  // namespace

bool ProgressLine::Due() {
  if (!environment_.err_is_terminal) return false;
  const WallTime now = environment_.now();
  // What takes no longer than this shows nothing. A clock that is set back must not silence it.
  if (!started_ || next_ - now > kInterval) next_ = now + kInterval;
  started_ = true;
  if (now < next_) return false;
  next_ = now + kInterval;
  return true;
}

void ProgressLine::Show(const std::string& text) {
  std::fputs((kClearLine + text).c_str(), environment_.err);
  std::fflush(environment_.err);
  shown_ = true;
}

void ProgressLine::Clear() {
  if (!shown_) return;
  std::fputs(kClearLine, environment_.err);
  std::fflush(environment_.err);
  shown_ = false;
}

}  // namespace doagent::spool_tool
