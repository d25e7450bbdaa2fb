// Label values are UTF-8, in the exposition format and in protobuf; names that come from the
// kernel are bytes.
#pragma once

#include <string>
#include <string_view>

namespace doagent::collector {

// The text with each run of bytes that is not valid UTF-8 replaced by U+FFFD.
std::string ValidUtf8(std::string_view text);

}  // namespace doagent::collector
