#include "tools/cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>

namespace doagent::cli {

Result<bool> Output::Flush() {
  std::string_view rest = text_;
  while (!rest.empty() && !closed_) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EPIPE) {
      closed_ = true;
    } else if (errno != EINTR) {
      const std::string reason = std::generic_category().message(errno);
      text_.clear();
      return Fail(ErrorCode::kFatal, name_,
                  "cannot write: " + reason + "; what was written so far is incomplete");
    }
  }
  text_.clear();
  return !closed_;
}

}  // namespace doagent::cli
