#include "tools/do-agent/check_settings.h"

#include <sys/stat.h>

#include <utility>

#include "collector/collector.h"
#include "tools/cli/typed_value.h"
#include "tools/do-agent/load_settings.h"
#include "tools/do-agent/retention_settings.h"
#include "uploader/credential_files.h"

namespace doagent::agent {
namespace {

class Checker {
 public:
  Checker(const AgentSettings& settings, const cli::Values& values)
      : settings_(settings), values_(values) {}

  Findings Run() {
    CheckCollectors();
    CheckToken();
    CheckCertificates();
    return std::move(findings_);
  }

 private:
  template <typename T>
  void Require(const char* key, const Result<T>& result) {
    if (!result) findings_.errors.push_back(ErrorAt(cli::At(values_, key), result.error()));
  }

  void Warn(const char* key, const std::string& what) {
    findings_.warnings.push_back(ErrorAt(cli::At(values_, key), what).Message());
  }

  void CheckCollectors() {
    const auto collector = collector::Collector::Create(settings_.collector);
    if (!collector) {
      findings_.errors.push_back(Placed(collector.error(), values_));
      return;
    }
    if (settings_.retention.floor == Nanoseconds(0)) return;
    const auto fits =
        CheckFloorFits(settings_.retention, settings_.interval, CountSeries(**collector, BootId()));
    if (!fits) findings_.floor = Placed(fits.error(), values_);
  }

  void CheckToken() {
    const std::filesystem::path& file = settings_.delivery.token_file;
    if (file.empty()) return;
    Require("token_file", uploader::ReadToken(file));
    WarnIfOpenToOthers("token_file", file);
    if (settings_.delivery.endpoints.empty()) Warn("token_file", "is not used: no endpoint is set");
  }

  void CheckCertificates() {
    const DeliverySettings& delivery = settings_.delivery;
    if (!delivery.tls_ca.empty()) Require("tls_ca", uploader::ReadCertificates(delivery.tls_ca));
    if (delivery.tls_cert.empty()) return;
    Require("tls_cert", uploader::ReadKeyCertPair(delivery.tls_cert, delivery.tls_key));
    WarnIfOpenToOthers("tls_key", delivery.tls_key);
  }

  void WarnIfOpenToOthers(const char* key, const std::filesystem::path& file) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0 || (status.st_mode & S_IRWXO) == 0) return;
    Warn(key, file.string() + " is open to every user of this machine; close it with: chmod o= " +
                  file.string());
  }

  const AgentSettings& settings_;
  const cli::Values& values_;
  Findings findings_;
};

}  // namespace

Findings CheckSettings(const AgentSettings& settings, const cli::Values& values) {
  return Checker(settings, values).Run();
}

}  // namespace doagent::agent
