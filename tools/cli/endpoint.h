// Where to connect or listen, as people write it: `grpcs://metrics.example:4317`, `[::1]:4317`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "spool/result.h"

namespace doagent::cli {

struct HostPort {
  std::string host;  // a name or an address; IPv6 without its brackets
  std::uint16_t port = 0;

  // `host:port`, IPv6 in brackets.
  std::string Text() const;
  // Whether it names this machine without asking anybody: 127.0.0.0/8, ::1, localhost.
  bool IsLoopback() const;

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// `host:port` or `[IPv6]:port`, port 0 included: a listener asks for any. Errors carry the text
// and an example; the caller knows the flag or key.
Result<HostPort> ParseHostPort(std::string_view text);

struct Endpoint {
  bool tls = true;
  HostPort address;

  std::string Url() const;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// `grpcs://host:port` (TLS) or `grpc://host:port` (plaintext), port 1 to 65535. Errors as above.
Result<Endpoint> ParseEndpoint(std::string_view url);

// Plaintext to another machine shows the token and the data to whoever listens, so it has to be
// asked for.
Result<void> CheckPlaintext(const Endpoint& endpoint, bool insecure);

}  // namespace doagent::cli
