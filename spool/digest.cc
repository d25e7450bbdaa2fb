#include "spool/digest.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <array>
#include <memory>

#include "spool/check.h"

namespace doagent::spool {
namespace {

// Little endian, whatever the machine is.
void PutUint64(std::uint64_t value, unsigned char* out) {
  for (int i = 0; i < 8; ++i) out[i] = static_cast<unsigned char>(value >> (8 * i));
}

}  // namespace

ObjectId DigestOf(ObjectKind kind, std::string_view content) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  const auto kind_byte = static_cast<unsigned char>(kind);
  DOAGENT_CHECK(context != nullptr);
  DOAGENT_CHECK(EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  DOAGENT_CHECK(EVP_DigestUpdate(context.get(), &kind_byte, 1) == 1);
  DOAGENT_CHECK(EVP_DigestUpdate(context.get(), content.data(), content.size()) == 1);
  DOAGENT_CHECK(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1);
  return *ObjectId::FromBytes({reinterpret_cast<const char*>(digest.data()), ObjectId::kBytes});
}

std::uint64_t ChecksumOf(const StoredRecord& record) {
  std::array<unsigned char, 34> header;
  PutUint64(record.sequence, header.data());
  PutUint64(static_cast<std::uint64_t>(record.time_unix_ns), header.data() + 8);
  header[16] = static_cast<unsigned char>(record.kind);
  header[17] = static_cast<unsigned char>(record.encoding);
  std::memcpy(header.data() + 18, record.key.bytes().data(), ObjectId::kBytes);

  const XXH64_hash_t seed = XXH64(header.data(), header.size(), 0);
  return XXH64(record.payload.data(), record.payload.size(), seed);
}

std::uint64_t ChecksumOf(const StoredBlock& block) {
  std::string header(41, '\0');
  auto* out = reinterpret_cast<unsigned char*>(header.data());
  PutUint64(block.range.first, out);
  PutUint64(block.range.last, out + 8);
  PutUint64(static_cast<std::uint64_t>(block.first_time_unix_ns), out + 16);
  PutUint64(static_cast<std::uint64_t>(block.last_time_unix_ns), out + 24);
  PutUint64(block.holes.size(), out + 32);
  out[40] = static_cast<unsigned char>(block.encoding);
  header += block.holes;
  for (const ObjectId& layout : block.layouts) header += layout.bytes();

  const XXH64_hash_t seed = XXH64(header.data(), header.size(), 0);
  return XXH64(block.payload.data(), block.payload.size(), seed);
}

}  // namespace doagent::spool
