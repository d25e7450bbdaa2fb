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
constexpr Nanoseconds kRetainMax = std::chrono::hours(24) * 36'500;
constexpr std::uint64_t kSpoolBytesMin = std::uint64_t{8} << 20;
constexpr std::uint64_t kSpoolBytesMax = std::uint64_t{1} << 50;

std::vector<Setting> SettingTable() {
  return {
      {.key = "spool",
       .kind = SettingKind::kPath,
       .value_name = "FILE",
       .help = "The file to store in; made if it is not there",
       .required = true},
      {.key = "listen",
       .value_name = "ADDRESS:PORT",
       .help = "Where agents connect; port 0 takes a free one, which the first line of the "
               "output tells",
       .required = true},
      {.key = "token_file",
       .kind = SettingKind::kPath,
       .value_name = "FILE",
       .help = "Who may send, by token; without it and without --tls-client-ca everybody may"},
      {.key = "tls_cert",
       .kind = SettingKind::kPath,
       .value_name = "FILE",
       .help = "This server's certificate and its chain, PEM"},
      {.key = "tls_key", .kind = SettingKind::kPath, .value_name = "FILE", .help = "Its key, PEM"},
      {.key = "tls_client_ca",
       .kind = SettingKind::kPath,
       .value_name = "FILE",
       .help = "Who may send, by certificate: those that these authorities have issued; the "
               "subject's common name is the principal"},
      {.key = "insecure",
       .kind = SettingKind::kSwitch,
       .fallback = "false",
       .help = "Allow plaintext on an address that other machines reach"},
      {.key = "retain",
       .kind = SettingKind::kDuration,
       .value_name = "DURATION",
       .help = "How long records stay, such as 90d; not given: while there is room"},
      {.key = "spool_bytes_max",
       .fallback = "0",
       .value_name = "SIZE",
       .help = "What the spool may take on disk, such as 50GiB; then the oldest records are "
               "removed. 0: all that there is"},
      {.key = "log_level",
       .fallback = "info",
       .value_name = "LEVEL",
       .help = "trace, debug, info, warning or error"}};
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
