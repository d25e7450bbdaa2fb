#include "tools/do-agent-receiver/receiver.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "spool/inbox.h"
#include "tools/cli/state_log.h"
#include "tools/do-agent-receiver/server.h"
#include "tools/do-agent-receiver/server_credentials.h"
#include "tools/do-agent-receiver/service.h"
#include "tools/do-agent-receiver/store_queue.h"
#include "tools/do-agent-receiver/tokens.h"

namespace doagent::receiver {

namespace {

// What a session may take for its last words before its connection is cut.
constexpr std::chrono::milliseconds kStopGrace{500};

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

MonoTime Now() {
  return std::chrono::steady_clock::now();
}

// An error about a file, with the option that the file was given with.
template <typename T>
Result<T> NamingOption(Result<T> result, const ReceiverOptions& options) {
  if (result) return result;
  Error error = std::move(result).error();
  for (const auto& [option, file] :
       {std::pair("--token-file", options.token_file), std::pair("--tls-cert", options.tls_cert),
        std::pair("--tls-key", options.tls_key),
        std::pair("--tls-client-ca", options.tls_client_ca)}) {
    if (file.empty() || error.where.rfind(file.string(), 0) != 0) continue;
    error.where = std::string(option) + ": " + error.where;
    break;
  }
  return Fail(std::move(error));
}

Store StoreIn(spool::Inbox& inbox, spdlog::logger& log) {
  return {[&inbox](const spool::Principal& principal, const spool::Claim& claim) {
            return inbox.Register(principal, claim);
          },
          [&inbox](const std::vector<spool::IncomingBatch>& batches) {
            return inbox.Store(batches, std::chrono::system_clock::now());
          },
          [&inbox, &log] {
            auto more = inbox.Maintain(std::chrono::system_clock::now(), Now());
            for (const std::string& notice : inbox.TakeNotices()) log.warn(notice);
            return more;
          }};
}

}  // namespace

class Receiver::Impl {
 public:
  explicit Impl(spdlog::logger& log) : log_(log), states_(log) {}
  ~Impl() { Stop(); }

  Result<void> Start(const ReceiverOptions& options, std::function<std::uint64_t()> random);
  bool Stop();
  const cli::HostPort& address() const { return listening_.address; }

 private:
  Result<AuthPolicy> Policy(const ReceiverOptions& options);
  Result<std::shared_ptr<grpc::ServerCredentials>> ServerCredentials(
      const ReceiverOptions& options);
  void StoreHealth(const std::optional<Error>& failure);

  spdlog::logger& log_;
  cli::StateLog states_;  // of the store queue's thread

  // Each uses those above it, so that they go in the opposite order.
  std::unique_ptr<spool::Inbox> inbox_;
  std::unique_ptr<TokenFile> tokens_;
  std::shared_ptr<grpc::ServerCredentials> credentials_;
  std::unique_ptr<StoreQueue> queue_;
  std::unique_ptr<Service> service_;
  Listening listening_;
};

Result<void> Receiver::Impl::Start(const ReceiverOptions& options,
                                   std::function<std::uint64_t()> random) {
  DOAGENT_TRY(CheckOptions(options));
  ServiceOptions service;
  DOAGENT_ASSIGN(service.auth, Policy(options));
  DOAGENT_ASSIGN(credentials_, ServerCredentials(options));
  auto inbox = spool::Inbox::Open({options.spool, "do-agent-receiver", std::move(random),
                                   std::chrono::system_clock::now(), spool::SealPolicy(),
                                   options.retention});
  // Whatever is wrong with the spool, it is not the command line.
  if (!inbox) return Fail(ErrorCode::kFatal, inbox.error().where, inbox.error().what);
  inbox_ = *std::move(inbox);
  for (const std::string& notice : inbox_->TakeNotices()) log_.warn(notice);
  StoreQueueOptions queue;
  queue.health = [this](const std::optional<Error>& failure) { StoreHealth(failure); };
  queue_ = std::make_unique<StoreQueue>(StoreIn(*inbox_, log_), std::move(queue));
  service.session.receiver = inbox_->receiver_id();
  service.session.receiver_name = HostName();
  service_ = std::make_unique<Service>(std::move(service), *queue_, log_);
  DOAGENT_ASSIGN(listening_, Listen(options.listen, {}, credentials_, service_.get()));
  log_.info("receiver {} stores in {} and listens on {}", inbox_->receiver_id().Hex(),
            options.spool.string(), listening_.address.Text());
  return {};
}

Result<AuthPolicy> Receiver::Impl::Policy(const ReceiverOptions& options) {
  AuthPolicy policy;
  policy.certificates = !options.tls_client_ca.empty();
  if (!options.token_file.empty()) {
    const auto report = [this](const Result<std::size_t>& tokens) {
      if (tokens) {
        log_.info("the token file was read again: {} tokens", *tokens);
      } else {
        log_.error("the tokens of before stay in force: {}", tokens.error().Message());
      }
    };
    DOAGENT_ASSIGN(tokens_, NamingOption(TokenFile::Open(options.token_file, report), options));
    policy.find_token = [this](std::string_view token) { return tokens_->Find(token); };
  }
  if (!policy.find_token && !policy.certificates && !options.listen.IsLoopback()) {
    log_.warn("anybody who reaches {} may send: give --token-file or --tls-client-ca",
              options.listen.Text());
  }
  return policy;
}

Result<std::shared_ptr<grpc::ServerCredentials>> Receiver::Impl::ServerCredentials(
    const ReceiverOptions& options) {
  if (options.tls_cert.empty()) return grpc::InsecureServerCredentials();
  const auto report = [this](const std::optional<Error>& failure) {
    if (failure) {
      log_.error("the certificates of before stay in force: {}", failure->Message());
    } else {
      log_.info("the certificates were read again");
    }
  };
  TlsFiles files{options.tls_cert, options.tls_key, options.tls_client_ca};
  DOAGENT_ASSIGN(auto tls, NamingOption(ServerTls::Open(std::move(files), report), options));
  return std::shared_ptr<grpc::ServerCredentials>(std::move(tls));
}

void Receiver::Impl::StoreHealth(const std::optional<Error>& failure) {
  if (failure) {
    states_.Begin("store", cli::LogLevel::kError,
                  "cannot store; clients are asked to come back: " + failure->Message(), Now());
  } else {
    states_.End("store", "storing again", Now());
  }
}

bool Receiver::Impl::Stop() {
  if (service_) service_->Stop();
  if (listening_.server) {
    listening_.server->Shutdown(std::chrono::system_clock::now() + kStopGrace);
    listening_.server.reset();
  }
  if (queue_) queue_->Stop();
  service_.reset();
  queue_.reset();
  if (!inbox_) return true;
  const auto taken = inbox_->TakeOverVanished();
  if (!taken) log_.error("what was stored is lost with its file: {}", taken.error().Message());
  for (const std::string& notice : inbox_->TakeNotices()) log_.warn(notice);
  inbox_.reset();
  return taken.has_value();
}

Result<std::unique_ptr<Receiver>> Receiver::Start(const ReceiverOptions& options,
                                                  std::function<std::uint64_t()> random,
                                                  spdlog::logger& log) {
  auto impl = std::make_unique<Impl>(log);
  DOAGENT_TRY(impl->Start(options, std::move(random)));
  return std::unique_ptr<Receiver>(new Receiver(std::move(impl)));
}

Receiver::Receiver(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Receiver::~Receiver() = default;

const cli::HostPort& Receiver::address() const {
  return impl_->address();
}

bool Receiver::Stop() {
  return impl_->Stop();
}

}  // namespace doagent::receiver
