// Tokens, certificates and keys as they stand in files, checked before they are used: a file that
// is half written or half replaced must show here, not as a failed handshake. Shared by the agent's
// transport and the receiver. Errors are kRefuse and name the file and what to do.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "spool/result.h"

namespace doagent::uploader {

inline constexpr std::size_t kTokenBytesMax = 4096;
inline constexpr std::size_t kCredentialFileBytesMax = 1 << 20;

// A whole file of at most bytes_max bytes.
Result<std::string> ReadSmallFile(const std::filesystem::path& path, std::size_t bytes_max);

// Whether the text may be a token: 1 … kTokenBytesMax visible ASCII characters.
bool IsToken(std::string_view text);

// The file's one line, without the space around it.
Result<std::string> ReadToken(const std::filesystem::path& path);

// Certificates in PEM: at least one, all readable.
Result<std::string> ReadCertificates(const std::filesystem::path& path);

struct KeyCertPair {
  std::string key;   // PEM
  std::string cert;  // PEM, the leaf first

  friend bool operator==(const KeyCertPair&, const KeyCertPair&) = default;
};

// Only if the key is the certificate's.
Result<KeyCertPair> ReadKeyCertPair(const std::filesystem::path& cert,
                                    const std::filesystem::path& key);

}  // namespace doagent::uploader
