#include "tools/do-agent-receiver/server.h"

#include <grpc/grpc.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "uploader/grpc_process.h"
#include "uploader/wire.h"

namespace doagent::receiver {

namespace {

int Milliseconds(std::chrono::milliseconds value) {
  return static_cast<int>(value.count());
}

// gRPC only says that it could not bind: the same attempt shows the system's reason.
std::string WhyNot(const cli::HostPort& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  if (const int error = getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found)) {
    return gai_strerror(error);
  }
  std::string why;
  for (const addrinfo* at = found; at != nullptr && why.empty(); at = at->ai_next) {
    const int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
    if (fd < 0 || bind(fd, at->ai_addr, at->ai_addrlen) != 0) why = std::strerror(errno);
    if (fd >= 0) close(fd);
  }
  freeaddrinfo(found);
  return why.empty() ? "gRPC could not bind it" : why;
}

void SetArguments(const ServerOptions& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(uploader::kClientMessageBytesMax);
  builder.SetResourceQuota(
      grpc::ResourceQuota("do-agent-receiver").Resize(options.buffer_bytes_max));
  // A second receiver on the same port would silently get every other connection.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 16);  // of a connection
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  // A dead client is found soon, and clients may ping as often as they like.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_time));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Milliseconds(options.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
}

}  // namespace

Result<Listening> Listen(const cli::HostPort& address, const ServerOptions& options,
                         const std::shared_ptr<grpc::ServerCredentials>& credentials,
                         grpc::Service* service) {
  uploader::KeepGrpc();
  grpc::ServerBuilder builder;
  SetArguments(options, builder);
  int port = 0;
  builder.AddListeningPort(address.Text(), credentials, &port);
  builder.RegisterService(service);
  Listening listening;
  listening.server = builder.BuildAndStart();
  if (!listening.server || port == 0) {
    return Fail(ErrorCode::kFatal, "--listen " + address.Text(),
                "cannot listen there: " + WhyNot(address) +
                    "; give another address or port, or stop what holds it");
  }
  listening.address = {address.host, static_cast<std::uint16_t>(port)};
  return listening;
}

}  // namespace doagent::receiver
