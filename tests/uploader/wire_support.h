// What the tests of uploader/wire.h share.
#pragma once

#include <cstdint>
#include <string>

#include "spool/ids.h"

namespace doagent::uploader {

template <typename Id>
Id MakeId(std::uint64_t number) {
  std::string bytes(Id::kBytes, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
  bytes[15] = '\x01';  // never all zero
  return *Id::FromBytes(bytes);
}

inline std::string Bytes(const SpoolId& id) {
  return std::string(id.bytes());
}

}  // namespace doagent::uploader
