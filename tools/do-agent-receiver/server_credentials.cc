#include "tools/do-agent-receiver/server_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <utility>

namespace doagent::receiver {

Result<std::shared_ptr<ServerTls>> ServerTls::Open(TlsFiles files, Report report) {
  std::shared_ptr<ServerTls> tls(new ServerTls(std::move(files), std::move(report)));
  // Before they are read: a change in between shows as a change.
  tls->signatures_ = tls->Look();
  DOAGENT_ASSIGN(tls->material_, tls->Load());
  return tls;
}

ServerTls::Signatures ServerTls::Look() const {
  return {Signature(files_.cert), Signature(files_.key),
          files_.client_ca.empty() ? std::nullopt : Signature(files_.client_ca)};
}

Result<ServerTls::Material> ServerTls::Load() const {
  Material material;
  DOAGENT_ASSIGN(material.pair, uploader::ReadKeyCertPair(files_.cert, files_.key));
  if (!files_.client_ca.empty()) {
    DOAGENT_ASSIGN(material.client_ca, uploader::ReadCertificates(files_.client_ca));
  }
  return material;
}

int ServerTls::AddPortToServer(const std::string& address, grpc_server* server) {
  const auto request = files_.client_ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
  // The credentials take over the options, and the server a reference to the credentials.
  grpc_server_credentials* credentials = grpc_ssl_server_credentials_create_with_options(
      grpc_ssl_server_credentials_create_options_using_config_fetcher(request, &Fetch, this));
  if (credentials == nullptr) return 0;
  const int port = grpc_server_add_http2_port(server, address.c_str(), credentials);
  grpc_server_credentials_release(credentials);
  return port;
}

grpc_ssl_certificate_config_reload_status ServerTls::Fetch(
    void* self, grpc_ssl_server_certificate_config** config) {
  auto* tls = static_cast<ServerTls*>(self);
  const std::lock_guard lock(tls->mutex_);
  if (const Signatures signatures = tls->Look(); signatures != tls->signatures_) {
    tls->signatures_ = signatures;
    auto material = tls->Load();
    tls->report_(material ? std::nullopt : std::optional<Error>(material.error()));
    if (material) {
      tls->material_ = *std::move(material);
      tls->handed_over_ = false;
    }
  }
  if (tls->handed_over_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  const Material& material = tls->material_;
  const grpc_ssl_pem_key_cert_pair pair{material.pair.key.c_str(), material.pair.cert.c_str()};
  // gRPC 1.51 insists on roots even when no client is asked for a certificate; then any will do.
  const std::string& roots = material.client_ca.empty() ? material.pair.cert : material.client_ca;
  *config = grpc_ssl_server_certificate_config_create(roots.c_str(), &pair, 1);
  tls->handed_over_ = true;
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

}  // namespace doagent::receiver
