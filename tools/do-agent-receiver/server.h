// gRPC's server around the service: limits, keepalive, the port.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>

#include <chrono>
#include <memory>

#include "spool/result.h"
#include "tools/cli/endpoint.h"

namespace doagent::receiver {

struct ServerOptions {
  // A ping after so long without a byte from a client, and how long its answer may take.
  std::chrono::milliseconds keepalive_time{15'000};
  std::chrono::milliseconds keepalive_timeout{10'000};
  // gRPC's buffers for all connections; beyond it reads slow down.
  std::size_t buffer_bytes_max = std::size_t{512} << 20;
};

struct Listening {
  std::unique_ptr<grpc::Server> server;
  cli::HostPort address;  // with the port that was taken
};

// kFatal: the address cannot be had; the error says why. REQUIRES that service and credentials
// outlive the server.
Result<Listening> Listen(const cli::HostPort& address, const ServerOptions& options,
                         const std::shared_ptr<grpc::ServerCredentials>& credentials,
                         grpc::Service* service);

}  // namespace doagent::receiver
