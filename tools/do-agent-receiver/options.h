// The receiver's command line.
#pragma once

#include <filesystem>
#include <optional>
#include <ostream>

#include "spool/result.h"
#include "spool/spool.h"
#include "tools/cli/endpoint.h"
#include "tools/cli/logging.h"

namespace doagent::receiver {

// As everywhere (docs: exit status): 0 done, 2 wrong usage, 3 the world refused.
enum class ExitStatus { kDone = 0, kUsage = 2, kWorld = 3 };

struct ReceiverOptions {
  std::filesystem::path spool;
  cli::HostPort listen;
  std::filesystem::path token_file;
  std::filesystem::path tls_cert;
  std::filesystem::path tls_key;
  std::filesystem::path tls_client_ca;
  bool insecure = false;
  spool::RetentionPolicy retention = {.bytes_max = 0, .expires = false};
  cli::LogLevel log_level = cli::LogLevel::kInfo;
};

// kRefuse: options that do not go together; the error names them and what to do.
Result<void> CheckOptions(const ReceiverOptions& options);

// The options, or nothing with the status to exit with: help and version go to `out`, an error as
// one line to `err`.
std::optional<ReceiverOptions> ParseCommandLine(int argc, const char* const* argv,
                                                std::ostream& out, std::ostream& err,
                                                ExitStatus* status);

}  // namespace doagent::receiver
