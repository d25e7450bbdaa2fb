// Label values are UTF-8 of limited length; the names that the kernel hands out are any bytes.
#pragma once

#include <string>
#include <string_view>

#include "spool/model.h"
#include "spool/utf8.h"

namespace doagent::collector {

inline std::string LabelText(std::string_view bytes) {
  return ValidUtf8(bytes, spool::kLabelBytesMax);
}

}  // namespace doagent::collector
