// Identifiers of 128 bits, each kind a type of its own so that none is taken for another.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace doagent {

std::string HexEncode(std::string_view bytes);
// Hyphens are skipped, so that a UUID's text form is accepted. Nothing: not hexadecimal.
std::optional<std::string> HexDecode(std::string_view text);

template <typename Tag>
class Id128 {
 public:
  static constexpr std::size_t kBytes = 16;

  constexpr Id128() = default;

  // Nothing unless there are exactly 16 bytes.
  static std::optional<Id128> FromBytes(std::string_view bytes) {
    if (bytes.size() != kBytes) return std::nullopt;
    Id128 id;
    std::memcpy(id.bytes_.data(), bytes.data(), kBytes);
    return id;
  }

  // Nothing unless the text is 32 hexadecimal digits, with or without hyphens.
  static std::optional<Id128> FromHex(std::string_view text) {
    const auto bytes = HexDecode(text);
    return bytes ? FromBytes(*bytes) : std::nullopt;
  }

  std::string_view bytes() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  std::string Hex() const { return HexEncode(bytes()); }
  bool IsZero() const { return *this == Id128(); }

  friend auto operator<=>(const Id128&, const Id128&) = default;

  // The ids are random or digests, so any eight bytes are a good hash.
  struct Hash {
    std::size_t operator()(const Id128& id) const {
      std::size_t value = 0;
      std::memcpy(&value, id.bytes_.data(), sizeof value);
      return value;
    }
  };

 private:
  std::array<std::uint8_t, kBytes> bytes_{};
};

using SpoolId = Id128<struct SpoolIdTag>;        // random, made with the spool
using ReceiverId = Id128<struct ReceiverIdTag>;  // random, made with the receiver's spool
using BootId = Id128<struct BootIdTag>;          // the kernel's /proc/sys/kernel/random/boot_id
using ObjectId = Id128<struct ObjectIdTag>;      // digest of an object's content

using Sequence = std::uint64_t;     // rises by one within an origin, from 1; never reused
using Incarnation = std::uint64_t;  // random, drawn at every opening for writing; never 0

}  // namespace doagent
