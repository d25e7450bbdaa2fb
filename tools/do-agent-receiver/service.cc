#include "tools/do-agent-receiver/service.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/server_context.h>

#include <chrono>
#include <utility>
#include <vector>

#include "uploader/wire.h"

namespace doagent::receiver {

namespace {

class Refusal final : public Service::Reactor {
 public:
  explicit Refusal(const grpc::Status& status) { Finish(status); }

 private:
  void OnDone() override { delete this; }
};

Credentials CredentialsOf(const grpc::CallbackServerContext& context) {
  Credentials credentials;
  const auto [begin, end] = context.client_metadata().equal_range("authorization");
  for (auto value = begin; value != end; ++value) {
    credentials.authorization.emplace_back(value->second.data(), value->second.size());
  }
  // Only a certificate that the handshake verified has a name here.
  const auto names = context.auth_context()->FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
  if (names.size() == 1) {
    credentials.certificate_name.emplace(names.front().data(), names.front().size());
  }
  return credentials;
}

}  // namespace

Service::Service(ServiceOptions options, StoreQueue& queue, spdlog::logger& log)
    : options_(std::move(options)), queue_(queue), log_(log), refusals_(log), ticks_([this] {
        RunTicks();
      }) {}

Service::~Service() {
  Stop();
  ticks_.join();
}

Service::Reactor* Service::Stream(grpc::CallbackServerContext* context) {
  auto principal = Authenticate(options_.auth, CredentialsOf(*context));
  if (!principal) {
    return Refuse(context, {grpc::StatusCode::UNAUTHENTICATED, principal.error().what});
  }
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return new Refusal({grpc::StatusCode::UNAVAILABLE, "the receiver is stopping"});
    if (session_count_ >= options_.sessions_max) {
      context->AddTrailingMetadata(uploader::kRetryAfterKey,
                                   std::to_string(options_.full_retry_after.count()));
      return Refuse(context, {grpc::StatusCode::RESOURCE_EXHAUSTED,
                              "all " + std::to_string(options_.sessions_max) +
                                  " sessions of this receiver are taken"});
    }
    ++session_count_;
  }
  log_.info("session of {} begins: {}", principal->name, context->peer());
  const auto session = Session::Start(options_.session, queue_, context, *std::move(principal),
                                      [this](const Session::Ended& ended) { Ended(ended); });
  const std::lock_guard lock(mutex_);
  // gRPC is not done with the session before this function returns, so it has not ended.
  sessions_.emplace(session.get(), session);
  if (stopping_) session->Stop({grpc::StatusCode::UNAVAILABLE, "the receiver is stopping"});
  return session.get();
}

Service::Reactor* Service::Refuse(grpc::CallbackServerContext* context,
                                  const grpc::Status& status) {
  refusals_.Refused(context->peer(), status.error_message(), std::chrono::steady_clock::now());
  return new Refusal(status);
}

void Service::Ended(const Session::Ended& ended) {
  const std::string reason = ended.reason.empty() ? "the client has finished" : ended.reason;
  log_.info("session of {} ended: {}", ended.who, reason);
  const std::lock_guard lock(mutex_);
  sessions_.erase(ended.session);
  --session_count_;
}

void Service::Stop() {
  std::vector<std::shared_ptr<Session>> sessions;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& [key, session] : sessions_) {
      if (auto alive = session.lock()) sessions.push_back(std::move(alive));
    }
  }
  stopped_.notify_all();
  for (const auto& session : sessions) {
    session->Stop({grpc::StatusCode::UNAVAILABLE, "the receiver is stopping"});
  }
}

std::size_t Service::session_count() const {
  const std::lock_guard lock(mutex_);
  return session_count_;
}

void Service::RunTicks() {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, options_.tick, [this] { return stopping_; })) {
    std::vector<std::shared_ptr<Session>> sessions;
    for (const auto& [key, session] : sessions_) {
      if (auto alive = session.lock()) sessions.push_back(std::move(alive));
    }
    lock.unlock();
    for (const auto& session : sessions) session->Tick();
    sessions.clear();
    lock.lock();
  }
}

}  // namespace doagent::receiver
