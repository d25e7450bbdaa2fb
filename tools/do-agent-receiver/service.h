// The gRPC service: lets clients in, up to a limit, and keeps account of their sessions.
// Thread-safe.
#pragma once

#include <grpcpp/support/server_callback.h>
#include <spdlog/logger.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "doagent/v1/ingest.grpc.pb.h"
#include "tools/do-agent-receiver/auth.h"
#include "tools/do-agent-receiver/refusal_log.h"
#include "tools/do-agent-receiver/session.h"
#include "tools/do-agent-receiver/store_queue.h"

namespace doagent::receiver {

struct ServiceOptions {
  std::size_t sessions_max = 4096;
  std::chrono::milliseconds tick{3'000};  // heartbeats come this often
  // What a client is told that finds no place.
  std::chrono::milliseconds full_retry_after{30'000};
  AuthPolicy auth;
  SessionOptions session;
};

class Service final : public v1::Ingest::WithRawCallbackMethod_Stream<v1::Ingest::Service> {
 public:
  using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

  // REQUIRES that the queue and the logger outlive it.
  Service(ServiceOptions options, StoreQueue& queue, spdlog::logger& log);
  ~Service() override;

  // Ends all sessions, and lets no more in. Returns at once.
  void Stop();

  std::size_t session_count() const;

 private:
  Reactor* Stream(grpc::CallbackServerContext* context) override;
  // A reactor that ends the stream with the status.
  Reactor* Refuse(grpc::CallbackServerContext* context, const grpc::Status& status);
  void Ended(const Session::Ended& ended);
  void RunTicks();

  const ServiceOptions options_;
  StoreQueue& queue_;
  spdlog::logger& log_;
  RefusalLog refusals_;

  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  std::unordered_map<const Session*, std::weak_ptr<Session>> sessions_;
  std::size_t session_count_ = 0;  // those that are being made included
  bool stopping_ = false;

  std::thread ticks_;  // last: it uses everything above
};

}  // namespace doagent::receiver
