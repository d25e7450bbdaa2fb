#include "uploader/grpc_channel.h"

#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <limits>

#include "uploader/wire.h"

namespace doagent::uploader {

namespace {

int Milliseconds(std::chrono::milliseconds value) {
  return static_cast<int>(value.count());
}

grpc::ChannelArguments Arguments(const GrpcTransportOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetUserAgentPrefix("do-agent/" + CleanText(options.agent_version, kTextBytesMax));
  arguments.SetMaxReceiveMessageSize(kServerMessageBytesMax);
  arguments.SetMaxSendMessageSize(kClientMessageBytesMax);

  // A dead peer is found within keepalive_time + keepalive_timeout, also while nothing is sent.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_time));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.keepalive_timeout));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);

  // One connection attempt a session, and it may take all of the time that the session gives it:
  // when to try again is the uploader's decision.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, Milliseconds(options.connect_timeout));
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);

  // What this program has no use for: each costs memory, look-ups or wake-ups.
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, std::numeric_limits<int>::max());
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, options.use_proxy ? 1 : 0);
  return arguments;
}

}  // namespace

Result<std::shared_ptr<grpc::ChannelCredentials>> ChannelFactory::Credentials() {
  if (!options_.tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  if (!options_.tls_ca.empty()) {
    DOAGENT_ASSIGN(ssl.pem_root_certs, ReadCertificates(options_.tls_ca));
  }
  if (!options_.tls_cert.empty()) {
    auto pair = ReadKeyCertPair(options_.tls_cert, options_.tls_key);
    if (pair) {
      pair_ = *std::move(pair);
    } else if (!pair_) {
      return Fail(std::move(pair).error());
    }
    ssl.pem_private_key = pair_->key;
    ssl.pem_cert_chain = pair_->cert;
  }
  return grpc::SslCredentials(ssl);
}

Result<std::shared_ptr<grpc::Channel>> ChannelFactory::Make() {
  DOAGENT_ASSIGN(const auto credentials, Credentials());
  return grpc::CreateCustomChannel("dns:///" + options_.target, credentials, Arguments(options_));
}

Result<std::optional<std::string>> ChannelFactory::Token() const {
  if (options_.token_file.empty()) return std::optional<std::string>();
  DOAGENT_ASSIGN(std::string token, ReadToken(options_.token_file));
  return std::optional<std::string>(std::move(token));
}

}  // namespace doagent::uploader
