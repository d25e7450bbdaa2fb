// A connection to a receiver: credentials from files, and the settings that make gRPC find a dead
// peer soon and cost little when idle (docs/protocol.md, "Transport").
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>

#include <memory>
#include <optional>
#include <string>

#include "spool/result.h"
#include "uploader/credential_files.h"
#include "uploader/grpc_transport.h"

namespace doagent::uploader {

// Makes channels and remembers the last certificate and key that fitted together, for the moment in
// which one file is replaced already and the other not yet. Not thread-safe.
class ChannelFactory {
 public:
  explicit ChannelFactory(GrpcTransportOptions options) : options_(std::move(options)) {}

  // A channel that has no connection yet and shares none with any other. kRefuse: a file cannot be
  // used; the error names it.
  Result<std::shared_ptr<grpc::Channel>> Make();

  // The token to send; nothing when none is configured.
  Result<std::optional<std::string>> Token() const;

  const GrpcTransportOptions& options() const { return options_; }

 private:
  Result<std::shared_ptr<grpc::ChannelCredentials>> Credentials();

  GrpcTransportOptions options_;
  std::optional<KeyCertPair> pair_;
};

}  // namespace doagent::uploader
