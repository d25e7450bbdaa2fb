// Agents and clients for the receiver's tests.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "spool/spool.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"
#include "uploader/grpc_bytes.h"
#include "uploader/grpc_transport.h"
#include "uploader/wire.h"

namespace doagent::test {

// Longer than anything here takes: reached only when a test fails.
inline constexpr std::chrono::seconds kPatience{30};

inline std::chrono::steady_clock::time_point Patience() {
  return std::chrono::steady_clock::now() + kPatience;
}

// A spool with records, and what its uploader would send.
class TestAgent {
 public:
  explicit TestAgent(std::uint64_t seed, int snapshots = 5) {
    auto spool = spool::Spool::Open(TestSpoolOptions(folder_ / "agent.db", seed));
    EXPECT_TRUE(spool) << spool.error().Message();
    spool_ = *std::move(spool);
    for (int i = 0; i < snapshots; ++i) Append();
  }

  void Append() { EXPECT_TRUE(spool_->Append(MakeSnapshot(++tick_))); }

  spool::Spool& spool() { return *spool_; }
  SpoolId spool_id() const { return spool_->spool_id(); }
  std::vector<spool::Claim> claims() { return *spool_->Claims(); }

  // The records from first to last (0: the head) with all their objects.
  uploader::OutgoingBatch Batch(Sequence first = 1, Sequence last = 0) {
    const auto read = spool_->Read(spool_id(), {first, last == 0 ? spool_->head() : last});
    EXPECT_TRUE(read) << read.error().Message();
    std::vector<ObjectId> keys;
    for (const auto& record : read->records) {
      if (record.kind == spool::RecordKind::kRow) keys.push_back(record.key);
    }
    return {spool_id(), *spool_->Objects(keys), read->records, {}};
  }

  spool::RangeSet All() const { return spool::RangeSet({{1, spool_->head()}}); }

 private:
  TempDir folder_;
  std::uint64_t tick_ = 0;
  std::unique_ptr<spool::Spool> spool_;
};

template <typename T>
bool IsUnwantedHeartbeat(const uploader::TransportEvent& event) {
  return std::holds_alternative<uploader::Heartbeat>(event) &&
         !std::is_same_v<T, uploader::Heartbeat>;
}

// The next event, which must be a T. A busy receiver may send heartbeats at any time: they are
// passed over, unless they are what is wanted.
template <typename T>
T Expect(uploader::Transport& transport) {
  auto event = transport.Wait(Patience());
  while (event && IsUnwantedHeartbeat<T>(*event)) event = transport.Wait(Patience());
  if (!event) {
    ADD_FAILURE() << "no event";
    return T();
  }
  if (const auto* closed = std::get_if<uploader::Closed>(&*event);
      closed && !std::is_same_v<T, uploader::Closed>) {
    ADD_FAILURE() << "closed: " << closed->detail;
    return T();
  }
  if (!std::holds_alternative<T>(*event)) {
    ADD_FAILURE() << "another event: " << event->index();
    return T();
  }
  return std::get<T>(*event);
}

inline uploader::GrpcTransportOptions Plaintext(const std::string& target) {
  uploader::GrpcTransportOptions options;
  options.target = target;
  options.tls = false;
  options.agent_version = "test";
  return options;
}

inline std::unique_ptr<uploader::Transport> MakeTransport(
    const uploader::GrpcTransportOptions& options) {
  auto transport = uploader::MakeGrpcTransport(options);
  EXPECT_TRUE(transport) << transport.error().Message();
  return *std::move(transport);
}

// A client that sends any bytes whatever, one step at a time.
class RawClient {
 public:
  explicit RawClient(const std::string& target)
      : stub_(grpc::CreateChannel(target, grpc::InsecureChannelCredentials())) {
    context_.set_deadline(std::chrono::system_clock::now() + kPatience);
    call_ = stub_.PrepareCall(&context_, uploader::kStreamMethod, &queue_);
    call_->StartCall(this);
    Done();
  }
  ~RawClient() {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool Write(const std::string& bytes) {
    call_->Write(uploader::ToByteBuffer(bytes), this);
    return Done();
  }
  // Says that no more will come.
  bool WritesDone() {
    call_->WritesDone(this);
    return Done();
  }
  // The next message; nothing: it is none, or the stream has ended.
  std::optional<uploader::TransportEvent> ReadAny() {
    grpc::ByteBuffer buffer;
    call_->Read(&buffer, this);
    std::string bytes;
    if (!Done() || !uploader::FromByteBuffer(buffer, &bytes)) return std::nullopt;
    auto event = uploader::DecodeServerMessage(bytes);
    if (!event) return std::nullopt;
    return *std::move(event);
  }
  // The next message, heartbeats passed over as above, if it is a T.
  template <typename T>
  std::optional<T> Read() {
    auto event = ReadAny();
    while (event && IsUnwantedHeartbeat<T>(*event)) event = ReadAny();
    if (!event || !std::holds_alternative<T>(*event)) return std::nullopt;
    return std::get<T>(*event);
  }
  // Comes when all messages have been read.
  grpc::Status Finish() {
    grpc::Status status;
    call_->Finish(&status, this);
    Done();
    return status;
  }

 private:
  bool Done() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
};

}  // namespace doagent::test
