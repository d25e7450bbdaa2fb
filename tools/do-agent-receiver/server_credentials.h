// TLS for the server, with certificates that may be replaced while it runs: each handshake looks
// whether the files changed (three stats), and takes them only if they fit together.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "spool/result.h"
#include "tools/do-agent-receiver/file_signature.h"
#include "uploader/credential_files.h"

struct grpc_ssl_server_certificate_config;

namespace doagent::receiver {

struct TlsFiles {
  std::filesystem::path cert;
  std::filesystem::path key;
  // Empty: clients are not asked for a certificate. Else they are, and it is verified if there is
  // one; a client without gets a status that says so, which a failed handshake does not.
  std::filesystem::path client_ca;
};

class ServerTls final : public grpc::ServerCredentials {
 public:
  // Called once for every change of the files: with nothing, or why they are not used.
  using Report = std::function<void(const std::optional<Error>&)>;

  // REQUIRES that it outlives every server that uses it: gRPC keeps no reference.
  static Result<std::shared_ptr<ServerTls>> Open(TlsFiles files, Report report);

  // gRPC's hook for checks of its own; there are none (auth.h).
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  struct Material {
    uploader::KeyCertPair pair;
    std::string client_ca;
  };
  using Signatures = std::array<std::optional<FileSignature>, 3>;

  ServerTls(TlsFiles files, Report report) : files_(std::move(files)), report_(std::move(report)) {}

  int AddPortToServer(const std::string& address, grpc_server* server) override;

  Signatures Look() const;
  Result<Material> Load() const;
  // gRPC's callback; self is a ServerTls.
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config);

  const TlsFiles files_;
  const Report report_;
  std::mutex mutex_;
  Signatures signatures_;
  Material material_;
  bool handed_over_ = false;  // gRPC has the material
};

}  // namespace doagent::receiver
