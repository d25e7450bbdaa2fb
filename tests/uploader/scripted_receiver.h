// A gRPC server on loopback whose streams do what the test says.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "doagent/v1/ingest.grpc.pb.h"
#include "spool/check.h"
#include "uploader/wire.h"

namespace doagent::test {

using ServerStream = grpc::ServerReaderWriter<v1::ServerMessage, v1::ClientMessage>;
using Script = std::function<grpc::Status(grpc::ServerContext& context, ServerStream& stream)>;

class ScriptedReceiver final : public v1::Ingest::Service {
 public:
  explicit ScriptedReceiver(Script script,
                            const std::shared_ptr<grpc::ServerCredentials>& credentials =
                                grpc::InsecureServerCredentials(),
                            int port = 0)
      : script_(std::move(script)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::to_string(port), credentials, &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    DOAGENT_CHECK(server_ != nullptr);
  }

  // Ends all streams.
  ~ScriptedReceiver() override { server_->Shutdown(std::chrono::system_clock::now()); }

  int port() const { return port_; }
  std::string target() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  grpc::Status Stream(grpc::ServerContext* context, ServerStream* stream) override {
    return script_(*context, *stream);
  }

  const Script script_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

inline v1::ServerMessage ToMessage(const std::string& bytes) {
  v1::ServerMessage message;
  DOAGENT_CHECK(message.ParseFromString(bytes));
  return message;
}

inline uploader::Welcome TestWelcome() {
  uploader::Welcome welcome;
  welcome.receiver = *ReceiverId::FromBytes(std::string(16, 'r'));
  welcome.receiver_name = "scripted";
  return welcome;
}

// Takes the Hello and sends a Welcome. The Hello, or nothing if the client went.
inline std::optional<v1::Hello> Greet(ServerStream& stream) {
  v1::ClientMessage message;
  if (!stream.Read(&message) || !message.has_hello()) return std::nullopt;
  stream.Write(ToMessage(uploader::EncodeWelcome(TestWelcome())));
  return message.hello();
}

// Welcomes, and acknowledges every batch until the client goes.
inline grpc::Status AcknowledgeAll(grpc::ServerContext&, ServerStream& stream) {
  if (!Greet(stream)) return grpc::Status::CANCELLED;
  v1::ClientMessage message;
  while (stream.Read(&message)) {
    v1::ServerMessage answer;
    answer.mutable_ack()->set_spool_id(message.batch().spool_id());
    for (const auto& record : message.batch().records()) {
      auto* range = answer.mutable_ack()->add_ranges();
      range->set_first(record.sequence());
      range->set_last(record.sequence());
    }
    stream.Write(answer);
  }
  return grpc::Status::OK;
}

}  // namespace doagent::test
