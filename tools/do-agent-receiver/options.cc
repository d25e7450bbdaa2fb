#include "tools/do-agent-receiver/options.h"

#include <CLI/CLI.hpp>

#include <string>
#include <utility>

#include "tools/cli/duration.h"
#include "tools/cli/size.h"
#include "tools/cli/version.h"

namespace doagent::receiver {

namespace {

constexpr const char* kSummary =
    "Accepts records from do-agents, stores each once and durably in a spool, and acknowledges "
    "them. The spool is read with do-agent-spool, also while this program runs.";

constexpr const char* kExamples =
    "Examples:\n"
    "  do-agent-receiver --spool received.db --listen 127.0.0.1:4317\n"
    "  do-agent-receiver --spool /var/lib/do-agent-receiver/spool.db --listen 0.0.0.0:4317 \\\n"
    "    --tls-cert server.crt --tls-key server.key --token-file tokens\n"
    "  do-agent-receiver --spool received.db --listen [::]:4317 \\\n"
    "    --tls-cert server.crt --tls-key server.key --tls-client-ca fleet-ca.crt\n"
    "\n"
    "A token file has a line `principal token` for each host; `principal token relay` lets it "
    "send\n"
    "for others. It and the certificates are read again when they change.\n"
    "\n"
    "Exit status: 0 stopped by SIGTERM or SIGINT; 2 wrong usage; 3 cannot open the spool or "
    "listen.";

constexpr Nanoseconds kRetainMin = std::chrono::minutes(1);
constexpr std::uint64_t kSpoolBytesMin = std::uint64_t{8} << 20;

struct Typed {
  std::string listen;
  std::string retain;
  std::string spool_bytes_max = "0";
  std::string log_level = "info";
};

void Describe(CLI::App& app, ReceiverOptions& options, Typed& typed) {
  app.footer(kExamples);
  app.set_version_flag("--version", std::string("do-agent-receiver ") + cli::kVersion);
  app.add_option("--spool", options.spool, "The file to store in; made if it is not there")
      ->type_name("FILE")
      ->required();
  app.add_option("--listen", typed.listen,
                 "Where agents connect; port 0 takes a free one, which the first line of the "
                 "output tells")
      ->type_name("ADDRESS:PORT")
      ->required();
  app.add_option("--token-file", options.token_file,
                 "Who may send, by token; without it and "
                 "without --tls-client-ca everybody may")
      ->type_name("FILE");
  app.add_option("--tls-cert", options.tls_cert, "This server's certificate and its chain, PEM")
      ->type_name("FILE");
  app.add_option("--tls-key", options.tls_key, "Its key, PEM")->type_name("FILE");
  app.add_option("--tls-client-ca", options.tls_client_ca,
                 "Who may send, by certificate: those that these authorities have issued; the "
                 "subject's common name is the principal")
      ->type_name("FILE");
  app.add_flag("--insecure", options.insecure,
               "Allow plaintext on an address that other machines reach");
  app.add_option("--retain", typed.retain,
                 "How long records stay, such as 90d; not given: while there is room")
      ->type_name("DURATION");
  app.add_option("--spool-bytes-max", typed.spool_bytes_max,
                 "What the spool may take on disk, such as 50GiB; then the oldest records go. 0: "
                 "all that there is")
      ->type_name("SIZE")
      ->capture_default_str();
  app.add_option("--log-level", typed.log_level, "trace, debug, info, warning or error")
      ->type_name("LEVEL")
      ->capture_default_str();
}

Result<void> InterpretRetention(const Typed& typed, spool::RetentionPolicy& retention) {
  retention.expires = !typed.retain.empty();
  if (retention.expires) {
    const auto age = cli::ParseDuration(typed.retain);
    if (!age) return Fail(ErrorCode::kRefuse, "--retain", age.error().Message());
    if (*age < kRetainMin) {
      return Fail(ErrorCode::kRefuse, "--retain " + typed.retain, "is less than a minute");
    }
    retention.age = *age;
  }
  const auto bytes = cli::ParseSize(typed.spool_bytes_max);
  if (!bytes) return Fail(ErrorCode::kRefuse, "--spool-bytes-max", bytes.error().Message());
  if (*bytes != 0 && *bytes < kSpoolBytesMin) {
    return Fail(ErrorCode::kRefuse, "--spool-bytes-max " + typed.spool_bytes_max,
                "is too little to work with; give 8MiB or more, or 0 for all that there is");
  }
  retention.bytes_max = *bytes;
  return {};
}

Result<void> Interpret(const Typed& typed, ReceiverOptions& options) {
  auto listen = cli::ParseHostPort(typed.listen);
  if (!listen) return Fail(ErrorCode::kRefuse, "--listen", listen.error().Message());
  options.listen = *std::move(listen);
  DOAGENT_TRY(InterpretRetention(typed, options.retention));
  auto level = cli::ParseLogLevel(typed.log_level);
  if (!level) return Fail(ErrorCode::kRefuse, "--log-level", level.error().Message());
  options.log_level = *level;
  return CheckOptions(options);
}

}  // namespace

Result<void> CheckOptions(const ReceiverOptions& options) {
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return Fail(
        ErrorCode::kRefuse, options.tls_cert.empty() ? "--tls-key" : "--tls-cert",
        std::string("needs ") + (options.tls_cert.empty() ? "--tls-cert" : "--tls-key") + " too");
  }
  if (!options.tls_client_ca.empty() && options.tls_cert.empty()) {
    return Fail(ErrorCode::kRefuse, "--tls-client-ca " + options.tls_client_ca.string(),
                "means nothing in plaintext; give --tls-cert and --tls-key too");
  }
  if (options.tls_cert.empty() && !options.insecure && !options.listen.IsLoopback()) {
    return Fail(ErrorCode::kRefuse, "--listen " + options.listen.Text(),
                "would take data and tokens in plaintext from other machines; give --tls-cert and "
                "--tls-key, or allow it with --insecure");
  }
  return {};
}

std::optional<ReceiverOptions> ParseCommandLine(int argc, const char* const* argv,
                                                std::ostream& out, std::ostream& err,
                                                ExitStatus* status) {
  ReceiverOptions options;
  Typed typed;
  CLI::App app(kSummary, "do-agent-receiver");
  Describe(app, options, typed);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help, --version
    app.exit(wanted, out, err);
    *status = ExitStatus::kDone;
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    err << "do-agent-receiver: " << error.what() << "; see --help\n";
    *status = ExitStatus::kUsage;
    return std::nullopt;
  }
  const auto interpreted = Interpret(typed, options);
  if (!interpreted) {
    err << "do-agent-receiver: " << interpreted.error().Message() << "\n";
    *status = ExitStatus::kUsage;
    return std::nullopt;
  }
  return options;
}

}  // namespace doagent::receiver
