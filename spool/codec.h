// Compression of payloads: one zstd frame with its content size, or the bytes as they are where
// that is shorter. Thread-safe: every thread has its own contexts.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "spool/result.h"
#include "spool/stored.h"

namespace doagent::spool {

struct Packed {
  Encoding encoding = Encoding::kPlain;
  std::string bytes;
};

// Never yields a frame that Unpack would refuse for its ratio.
Packed Pack(std::string_view content);

// kPark: not one whole frame, a size that the frame does not tell, more than decoded_bytes_max, or
// a ratio beyond kDecompressionRatioMax; known before anything is decompressed.
Result<std::string> Unpack(Encoding encoding, std::string_view bytes,
                           std::size_t decoded_bytes_max);

}  // namespace doagent::spool
