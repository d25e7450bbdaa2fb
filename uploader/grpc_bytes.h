// Strings as gRPC's buffers and back, with one copy at most.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <string>
#include <utility>
#include <vector>

namespace doagent::uploader {

inline grpc::ByteBuffer ToByteBuffer(std::string bytes) {
  auto* owned = new std::string(std::move(bytes));
  const grpc::Slice slice(
      owned->data(), owned->size(), [](void* string) { delete static_cast<std::string*>(string); },
      owned);
  return {&slice, 1};
}

// false: gRPC could not make the bytes of the message available.
inline bool FromByteBuffer(const grpc::ByteBuffer& buffer, std::string* bytes) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return false;
  bytes->clear();
  bytes->reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes->append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return true;
}

}  // namespace doagent::uploader
