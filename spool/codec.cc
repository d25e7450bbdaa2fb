#include "spool/codec.h"

#include <zstd.h>

#include <algorithm>
#include <memory>

#include "spool/check.h"

namespace doagent::spool {
namespace {

// Level 3: 19 gains 1-3 % for nine times the CPU.
constexpr int kLevel = 3;
// Below this size a high ratio is no danger, and small constant payloads reach one.
constexpr std::size_t kRatioFloorBytes = 64 << 10;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

bool RatioAllowed(std::size_t stored, std::size_t decoded) {
  return decoded <= kRatioFloorBytes || decoded / kDecompressionRatioMax <= stored;
}

}  // namespace

Packed Pack(std::string_view content) {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  DOAGENT_CHECK(context != nullptr);
  std::string frame(ZSTD_compressBound(content.size()), '\0');
  const std::size_t size = ZSTD_compressCCtx(context.get(), frame.data(), frame.size(),
                                             content.data(), content.size(), kLevel);
  DOAGENT_CHECK(ZSTD_isError(size) == 0);
  if (size >= content.size() || !RatioAllowed(size, content.size())) {
    return {Encoding::kPlain, std::string(content)};
  }
  frame.resize(size);
  return {Encoding::kZstd, std::move(frame)};
}

Result<std::string> Unpack(Encoding encoding, std::string_view bytes,
                           std::size_t decoded_bytes_max) {
  if (encoding == Encoding::kPlain) {
    if (bytes.size() > decoded_bytes_max) return Fail(ErrorCode::kPark, "payload", "too large");
    return std::string(bytes);
  }
  if (encoding != Encoding::kZstd) {
    return Fail(ErrorCode::kPark, "payload",
                "unknown encoding " + std::to_string(static_cast<int>(encoding)));
  }
  const auto decoded_size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (decoded_size == ZSTD_CONTENTSIZE_ERROR || decoded_size == ZSTD_CONTENTSIZE_UNKNOWN) {
    return Fail(ErrorCode::kPark, "payload", "not a zstd frame with its content size");
  }
  if (decoded_size > decoded_bytes_max || !RatioAllowed(bytes.size(), decoded_size)) {
    return Fail(ErrorCode::kPark, "payload",
                "would grow from " + std::to_string(bytes.size()) + " to " +
                    std::to_string(decoded_size) + " bytes, more than is allowed");
  }
  if (ZSTD_findFrameCompressedSize(bytes.data(), bytes.size()) != bytes.size()) {
    return Fail(ErrorCode::kPark, "payload", "not exactly one zstd frame");
  }
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  DOAGENT_CHECK(context != nullptr);
  std::string content(decoded_size, '\0');
  const std::size_t size = ZSTD_decompressDCtx(context.get(), content.data(), content.size(),
                                               bytes.data(), bytes.size());
  if (ZSTD_isError(size) != 0 || size != decoded_size) {
    return Fail(ErrorCode::kPark, "payload",
                ZSTD_isError(size) != 0 ? ZSTD_getErrorName(size) : "zstd frame of another size");
  }
  return content;
}

}  // namespace doagent::spool
