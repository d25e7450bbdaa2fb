#include "tools/do-agent-receiver/options.h"

#include <cstdint>
#include <utility>

#include "tools/cli/typed_value.h"
#include "tools/cli/version.h"

namespace doagent::receiver {

namespace {

using cli::At;
using cli::Setting;
using cli::SettingKind;
using cli::Values;

constexpr const char* kSummary =
    "Receives records from agents, stores each of them once and durably in a spool, and "
    "acknowledges it. Use do-agent-spool to read the spool, also while this program runs.";

constexpr const char* kExamples =
    "Examples:\n"
    "  do-agent-receiver --spool received.db --listen 127.0.0.1:4317\n"
    "  do-agent-receiver --spool /var/lib/do-agent-receiver/spool.db --listen 0.0.0.0:4317 \\\n"
    "    --tls-cert server.crt --tls-key server.key --token-file tokens\n"
    "  do-agent-receiver --spool received.db --listen [::]:4317 \\\n"
    "    --tls-cert server.crt --tls-key server.key --tls-client-ca fleet-ca.crt\n"
    "\n"
    "The token file has one line for each host: `principal token`. With `principal token relay` "
    "the\n"
    "host may send for others. This file and the certificates are read again when they change.\n"
    "\n"
    "Exit status: 0 stopped by SIGTERM or SIGINT; 2 wrong usage or configuration; 3 the spool "
    "cannot\n"
    "be used, or the address cannot be listened on.";

constexpr Nanoseconds kRetainMin = std::chrono::minutes(1);
constexpr Nanoseconds kRetainMax = std::chrono::hours(24) * 36'500;
constexpr std::uint64_t kSpoolBytesMin = std::uint64_t{8} << 20;
constexpr std::uint64_t kSpoolBytesMax = std::uint64_t{1} << 50;

std::vector<Setting> SettingTable() {
  return {{.key = "spool",
           .kind = SettingKind::kPath,
           .value_name = "FILE",
           .help = "File to store records in. It is created if it does not exist",
           .required = true},
          {.key = "listen",
           .value_name = "ADDRESS:PORT",
           .help = "Address that agents connect to. Port 0 takes a free port, and the first line "
                   "of the output shows it",
           .required = true},
          {.key = "token_file",
           .kind = SettingKind::kPath,
           .value_name = "FILE",
           .help = "File with the tokens that may send. Without it and without --tls-client-ca "
                   "everybody may send"},
          {.key = "tls_cert",
           .kind = SettingKind::kPath,
           .value_name = "FILE",
           .help = "Certificate of this server with its chain, in PEM"},
          {.key = "tls_key",
           .kind = SettingKind::kPath,
           .value_name = "FILE",
           .help = "Key of that certificate, in PEM"},
          {.key = "tls_client_ca",
           .kind = SettingKind::kPath,
           .value_name = "FILE",
           .help = "Certificate authorities of the agents, in PEM. An agent with a certificate of "
                   "theirs may send; the common name of its subject is its principal"},
          {.key = "insecure",
           .kind = SettingKind::kSwitch,
           .fallback = "false",
           .help = "Allow other machines to connect without TLS"},
          {.key = "retain",
           .kind = SettingKind::kDuration,
           .value_name = "DURATION",
           .help = "How long records are kept, such as 90d. Not set: until the space is needed"},
          {.key = "spool_bytes_max",
           .fallback = "0",
           .value_name = "SIZE",
           .help = "Largest size of the spool on disk, such as 50GiB. When it is reached, the "
                   "oldest records are deleted. 0: the whole disk"},
          {.key = "log_level",
           .fallback = "info",
           .value_name = "LEVEL",
           .help = "Log messages of this level and above: trace, debug, info, warning or error"}};
}

Result<cli::HostPort> ToListen(const cli::Value& value) {
  auto listen = cli::ParseHostPort(value.text());
  if (!listen) return Fail(cli::ErrorAt(value, listen.error()));
  return *std::move(listen);
}

Result<spool::RetentionPolicy> ToRetention(const Values& values) {
  spool::RetentionPolicy retention = ReceiverOptions().retention;
  DOAGENT_ASSIGN(const auto age,
                 cli::Optional<Nanoseconds>(At(values, "retain"), [](const cli::Value& value) {
                   return cli::ToDuration(value, kRetainMin, kRetainMax);
                 }));
  retention.expires = age.has_value();
  if (age) retention.age = *age;
  const cli::Value& bytes_max = At(values, "spool_bytes_max");
  if (bytes_max.text() == "0") return retention;  // all that there is
  DOAGENT_ASSIGN(retention.bytes_max, cli::ToSize(bytes_max, kSpoolBytesMin, kSpoolBytesMax));
  return retention;
}

Result<ReceiverOptions> ToOptions(const Values& values) {
  ReceiverOptions options;
  DOAGENT_ASSIGN(options.spool, cli::ToPath(At(values, "spool")));
  DOAGENT_ASSIGN(options.listen, ToListen(At(values, "listen")));
  DOAGENT_ASSIGN(options.token_file, cli::ToOptionalPath(At(values, "token_file")));
  DOAGENT_ASSIGN(options.tls_cert, cli::ToOptionalPath(At(values, "tls_cert")));
  DOAGENT_ASSIGN(options.tls_key, cli::ToOptionalPath(At(values, "tls_key")));
  DOAGENT_ASSIGN(options.tls_client_ca, cli::ToOptionalPath(At(values, "tls_client_ca")));
  DOAGENT_ASSIGN(options.insecure, cli::ToSwitch(At(values, "insecure")));
  DOAGENT_ASSIGN(options.retention, ToRetention(values));
  DOAGENT_ASSIGN(options.log_level, cli::ToLogLevel(At(values, "log_level")));
  DOAGENT_TRY(CheckOptions(options));
  return options;
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

Result<std::variant<ReceiverOptions, cli::Answer>> ParseOptions(
    const std::vector<std::string>& arguments) {
  const cli::Program program{.name = "do-agent-receiver",
                             .version = cli::kVersion,
                             .help = kSummary,
                             .examples = kExamples,
                             .commands = {{.settings = SettingTable()}}};
  DOAGENT_ASSIGN(auto parsed, cli::ParseCommandLine(program, arguments));
  if (auto* answer = std::get_if<cli::Answer>(&parsed)) return std::move(*answer);
  const auto& given = std::get<cli::Invocation>(parsed).values;
  DOAGENT_ASSIGN(auto options, ToOptions(cli::Layered(cli::Defaults(SettingTable()), given)));
  return options;
}

}  // namespace doagent::receiver
