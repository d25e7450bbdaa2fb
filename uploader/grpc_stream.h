// One session's stream on a completion queue. Not thread-safe.
//
// gRPC writes into what belongs to an operation until the operation's tag has come back, so a
// stream that is cancelled lives on until it is idle().
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "uploader/transport.h"

namespace doagent::uploader {

class GrpcStream {
 public:
  // What waits on the completion queue under its own tag.
  struct Operation {
    GrpcStream* stream = nullptr;
    void (GrpcStream::*completed)(bool ok) = nullptr;
    bool pending = false;
  };

  struct Options {
    std::string target;  // for a person
    std::optional<std::string> token;
    bool shows_certificate = false;
    std::chrono::milliseconds connect_timeout{0};
  };

  // Begins to connect. `events` takes what happens, and outlives the stream.
  GrpcStream(Options options, std::shared_ptr<grpc::Channel> channel, grpc::CompletionQueue* queue,
             std::deque<TransportEvent>* events);

  GrpcStream(const GrpcStream&) = delete;
  GrpcStream& operator=(const GrpcStream&) = delete;

  // Queues a message. Messages after the end of the stream are dropped: its Closed event tells.
  void Write(std::string message);

  // Ends the stream without an event.
  void Cancel();

  // A tag came back from the completion queue.
  static void Complete(void* tag, bool ok);

  // Nothing is pending: the stream may be destroyed.
  bool idle() const;

 private:
  void Started(bool ok);
  void Received(bool ok);
  void Written(bool ok);
  void Finished(bool ok);
  void Expired(bool ok);

  void* Begin(Operation& operation);
  void Read();
  void WriteNext();
  void Finish();
  void End(Closed closed);

  const Options options_;
  std::deque<TransportEvent>* const events_;

  // In this order: the call must go before the context and the channel.
  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::Alarm deadline_;
  grpc::Status status_;

  Operation start_;
  Operation read_;
  Operation write_;
  Operation finish_;
  Operation expire_;

  std::deque<grpc::ByteBuffer> outgoing_;  // the first is being written while write_ is pending
  grpc::ByteBuffer incoming_;
  bool started_ = false;
  bool answered_ = false;  // the receiver has sent something
  bool ended_ = false;     // cancelled, or its Closed event is out
};

}  // namespace doagent::uploader
