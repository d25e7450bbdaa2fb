// The session of docs/protocol.md over gRPC: one bidirectional stream to a receiver, on a
// completion queue that only the uploader's thread polls. Thread-safety: as uploader/transport.h.
//
// Every Open makes a connection of its own and reads the token and the certificates again, so that
// they may be replaced while the program runs; a certificate and a key that do not fit together are
// passed over in favour of the last pair that did.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "spool/result.h"
#include "uploader/transport.h"

namespace doagent::uploader {

struct GrpcTransportOptions {
  std::string target;  // host:port; IPv6 addresses in brackets
  bool tls = true;
  std::filesystem::path tls_ca;      // PEM; empty: the system's roots
  std::filesystem::path tls_cert;    // PEM, this host's certificate and its chain; with tls_key
  std::filesystem::path tls_key;     // PEM
  std::filesystem::path token_file;  // holds the bearer token; empty: none is sent
  std::string agent_version;

  // Go through the proxy that the environment names (gRPC reads https_proxy, http_proxy, no_proxy).
  // Never wanted for plaintext or loopback.
  bool use_proxy = false;

  // From Open to the receiver's first message, name lookup and handshakes included.
  std::chrono::milliseconds connect_timeout{20'000};
  // A ping after so long without a byte from the other end, and how long its answer may take.
  std::chrono::milliseconds keepalive_time{15'000};
  std::chrono::milliseconds keepalive_timeout{10'000};
};

// kRefuse: options that cannot work together, whatever the files hold; nothing is read or opened
// before Open.
Result<std::unique_ptr<Transport>> MakeGrpcTransport(GrpcTransportOptions options);

}  // namespace doagent::uploader
