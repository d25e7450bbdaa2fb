#include "collector/scan.h"

namespace doagent::collector {

std::string Quote(std::string_view text) {
  constexpr std::size_t kShown = 80;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      quoted += c;
    } else {
      quoted += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  quoted += text.size() > kShown ? "…\"" : "\"";
  return quoted;
}

tl::unexpected<Error> Malformed(std::string_view what, std::string_view line) {
  return Fail(ErrorCode::kRefuse, "", std::string(what) + ": " + Quote(line));
}

}  // namespace doagent::collector
