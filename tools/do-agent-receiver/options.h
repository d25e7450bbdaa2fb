// The receiver's command line.
#pragma once

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "spool/result.h"
#include "spool/spool.h"
#include "tools/cli/command_line.h"
#include "tools/cli/endpoint.h"
#include "tools/cli/logging.h"

namespace doagent::receiver {

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

// The options of a command line without the program's name, or what --help and --version print.
// Errors name the option and what to do.
Result<std::variant<ReceiverOptions, cli::Answer>> ParseOptions(
    const std::vector<std::string>& arguments);

}  // namespace doagent::receiver
