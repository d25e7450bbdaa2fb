#include "uploader/grpc_transport.h"

#include <grpc/support/time.h>
#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "spool/check.h"
#include "uploader/grpc_channel.h"
#include "uploader/grpc_process.h"
#include "uploader/grpc_stream.h"
#include "uploader/wire.h"

namespace doagent::uploader {

namespace {

gpr_timespec Timespec(MonoTime time) {
  const std::int64_t ns = std::max<std::int64_t>(BootNanoseconds(time), 0);
  return gpr_time_from_nanos(ns, GPR_CLOCK_MONOTONIC);
}

class GrpcTransport final : public Transport {
 public:
  explicit GrpcTransport(GrpcTransportOptions options) : channels_(std::move(options)) {}

  ~GrpcTransport() override {
    Close();
    {
      const std::lock_guard lock(wake_mutex_);
      wake_alarm_.Cancel();
    }
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
      if (tag != &wake_alarm_) GrpcStream::Complete(tag, ok);
    }
  }

  void Open(const std::vector<spool::Claim>& claims) override {
    DOAGENT_CHECK(!stream_);
    auto hello = EncodeHello({channels_.options().agent_version, claims});
    if (!hello) return Refuse(CloseReason::kProtocol, hello.error());
    auto token = channels_.Token();
    if (!token) return Refuse(CloseReason::kUnauthenticated, token.error());
    auto channel = channels_.Make();
    if (!channel) return Refuse(CloseReason::kUnauthenticated, channel.error());
    const GrpcTransportOptions& options = channels_.options();
    stream_ = std::make_unique<GrpcStream>(
        GrpcStream::Options{options.target, *std::move(token), !options.tls_cert.empty(),
                            options.connect_timeout},
        *std::move(channel), &queue_, &events_);
    stream_->Write(*std::move(hello));
  }

  void Send(OutgoingBatch batch) override {
    if (!stream_) return;  // it has ended, and the Closed event is on its way
    auto message = EncodeBatch(std::move(batch));
    if (message) return stream_->Write(*std::move(message));
    // What no receiver takes is refused here: sending it would end the stream, again and again.
    Refused refused;
    // NOLINTNEXTLINE(bugprone-use-after-move): an error leaves the batch as it was.
    refused.spool_id = batch.spool_id;
    for (const auto& record : batch.records) refused.ranges.Add({record.sequence, record.sequence});
    refused.detail = message.error().what;
    events_.push_back(std::move(refused));
  }

  void Close() override {
    events_.clear();
    if (!stream_) return;
    stream_->Cancel();
    ending_.push_back(std::move(stream_));
  }

  std::optional<TransportEvent> Wait(MonoTime deadline) override {
    while (events_.empty()) {
      void* tag = nullptr;
      bool ok = false;
      const auto next = queue_.AsyncNext(&tag, &ok, Timespec(deadline));
      if (next != grpc::CompletionQueue::GOT_EVENT) return std::nullopt;
      if (tag == &wake_alarm_) {
        const std::lock_guard lock(wake_mutex_);
        wake_pending_ = false;
        return std::nullopt;
      }
      GrpcStream::Complete(tag, ok);
      std::erase_if(ending_, [](const auto& stream) { return stream->idle(); });
    }
    TransportEvent event = std::move(events_.front());
    events_.pop_front();
    if (std::holds_alternative<Closed>(event) && stream_) ending_.push_back(std::move(stream_));
    return event;
  }

  void Wake() override {
    const std::lock_guard lock(wake_mutex_);
    if (wake_pending_) return;
    wake_pending_ = true;
    wake_alarm_.Set(&queue_, gpr_time_0(GPR_TIMESPAN), &wake_alarm_);
  }

 private:
  void Refuse(CloseReason reason, const Error& error) {
    events_.push_back(Closed{reason, error.Message(), {}});
  }

  ChannelFactory channels_;
  std::deque<TransportEvent> events_;
  grpc::CompletionQueue queue_;

  std::unique_ptr<GrpcStream> stream_;               // of the open session
  std::vector<std::unique_ptr<GrpcStream>> ending_;  // cancelled, until their tags are back

  std::mutex wake_mutex_;
  bool wake_pending_ = false;
  grpc::Alarm wake_alarm_;
};

Result<void> Check(const GrpcTransportOptions& options) {
  if (options.target.find(':') == std::string::npos) {
    return Fail(ErrorCode::kRefuse, "endpoint", "'" + options.target + "' is not HOST:PORT");
  }
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return Fail(ErrorCode::kRefuse, options.tls_cert.empty() ? "tls_key" : "tls_cert",
                "a certificate and its key go together: set both or neither");
  }
  if (!options.tls && !(options.tls_ca.empty() && options.tls_cert.empty())) {
    return Fail(
        ErrorCode::kRefuse, "endpoint",
        "'" + options.target + "' is plaintext, so certificates mean nothing: use grpcs://");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Transport>> MakeGrpcTransport(GrpcTransportOptions options) {
  DOAGENT_TRY(Check(options));
  KeepGrpc();
  return std::unique_ptr<Transport>(std::make_unique<GrpcTransport>(std::move(options)));
}

}  // namespace doagent::uploader
