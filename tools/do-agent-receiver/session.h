// One client's stream: Hello, Welcome, then batches one way and answers the other
// (docs/protocol.md).
//
// gRPC calls the On… reactions from its threads, the store queue its answers from its own; all of
// them meet in one mutex. A session keeps itself alive until gRPC is done with it.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "spool/inbox.h"
#include "tools/do-agent-receiver/store_queue.h"
#include "uploader/wire.h"

namespace doagent::receiver {

// What all sessions share.
struct SessionOptions {
  ReceiverId receiver;
  std::string receiver_name;
  std::size_t window_bytes = std::size_t{4} << 20;
  // How long a client is asked to wait when storing fails for a reason that may pass.
  std::chrono::milliseconds retry_after{5'000};
  // Ticks that a client may take for its Hello.
  int hello_ticks_max = 10;
};

class Session final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                      public StoreClient {
 public:
  struct Ended {
    const Session* session = nullptr;
    std::string who;     // the principal, and the host if it said Hello
    std::string reason;  // the status that ended the stream
  };

  // `ended` is called once, from the last reaction. REQUIRES that the queue outlives the session.
  static std::shared_ptr<Session> Start(const SessionOptions& options, StoreQueue& queue,
                                        grpc::CallbackServerContext* context,
                                        spool::Principal principal,
                                        std::function<void(const Ended&)> ended);

  // Every few seconds: a heartbeat while an answer is owed, and the end of a client that says no
  // Hello, or does not read its answers.
  void Tick();
  // Ends the stream as soon as what waits to be written is out.
  void Stop(grpc::Status status);

 private:
  Session(const SessionOptions& options, StoreQueue& queue, grpc::CallbackServerContext* context,
          spool::Principal principal, std::function<void(const Ended&)> ended);

  // StoreClient
  void OnRegistered(std::vector<Result<spool::StoredClaim>> claims) override;
  void OnStored(const spool::IncomingBatch& batch, std::size_t bytes,
                const Result<spool::BatchOutcome>& outcome) override;

  // gRPC
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // All of these REQUIRE mutex_.
  void Handle(uploader::Hello hello);
  void Handle(spool::IncomingBatch batch);
  void Handle(const uploader::MalformedBatch& malformed);
  // Whether batches of the spool id may be stored; if not, the client has its answer.
  bool Admit(const SpoolId& spool_id, const spool::RangeSet& ranges);
  void Answer(const spool::IncomingBatch& batch, const spool::BatchOutcome& outcome);
  void Write(std::string message);
  void Write(const std::vector<std::string>& messages);
  void DropOutgoing();  // REQUIRES !writing_
  void End(grpc::Status status);
  void EndUnavailable(const std::string& why);
  void Proceed();

  const SessionOptions options_;
  StoreQueue& queue_;
  grpc::CallbackServerContext* const context_;
  const spool::Principal principal_;
  const std::function<void(const Ended&)> ended_;
  std::shared_ptr<Session> self_;  // until OnDone

  std::mutex mutex_;
  grpc::ByteBuffer incoming_;
  std::size_t incoming_bytes_ = 0;
  std::deque<grpc::ByteBuffer> outgoing_;  // the first is being written while writing_
  std::size_t outgoing_bytes_ = 0;
  bool reading_ = false;
  bool writing_ = false;
  bool half_closed_ = false;  // the client sends no more
  bool ending_ = false;
  bool finished_ = false;  // Finish was called
  grpc::Status status_;    // once ending_

  enum class Stage { kHello, kRegistering, kOpen } stage_ = Stage::kHello;
  int ticks_without_hello_ = 0;
  int ticks_writing_ = 0;  // since the write at hand began
  std::string hostname_;
  std::vector<spool::Claim> claims_;  // while kRegistering
  std::unordered_set<SpoolId, SpoolId::Hash> accepted_;
  std::unordered_map<SpoolId, std::string, SpoolId::Hash> refused_;  // with the reason
  std::size_t waiting_bytes_ = 0;                                    // in the queue
  std::size_t waiting_batches_ = 0;
};

}  // namespace doagent::receiver
