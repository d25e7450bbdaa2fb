// Bitmaps in protobuf bytes: bit i is bit i % 8 of byte i / 8; bits beyond the end are 0.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace doagent::spool {

inline bool TestBit(std::string_view bits, std::size_t i) {
  return i / 8 < bits.size() && (static_cast<unsigned char>(bits[i / 8]) >> (i % 8) & 1) != 0;
}

// Grows as needed, so that the last byte is never zero when bits are set in ascending order.
inline void SetBit(std::string& bits, std::size_t i) {
  if (bits.size() <= i / 8) bits.resize(i / 8 + 1, '\0');
  bits[i / 8] = static_cast<char>(static_cast<unsigned char>(bits[i / 8]) | 1U << (i % 8));
}

}  // namespace doagent::spool
