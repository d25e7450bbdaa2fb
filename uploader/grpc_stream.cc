#include "uploader/grpc_stream.h"

#include <grpc/support/time.h>

#include <utility>

#include "spool/check.h"
#include "uploader/grpc_bytes.h"
#include "uploader/grpc_status.h"
#include "uploader/wire.h"

namespace doagent::uploader {

GrpcStream::GrpcStream(Options options, std::shared_ptr<grpc::Channel> channel,
                       grpc::CompletionQueue* queue, std::deque<TransportEvent>* events)
    : options_(std::move(options)),
      events_(events),
      channel_(std::move(channel)),
      stub_(channel_),
      start_{this, &GrpcStream::Started},
      read_{this, &GrpcStream::Received},
      write_{this, &GrpcStream::Written},
      finish_{this, &GrpcStream::Finished},
      expire_{this, &GrpcStream::Expired} {
  if (options_.token) context_.AddMetadata("authorization", "Bearer " + *options_.token);
  call_ = stub_.PrepareCall(&context_, kStreamMethod, queue);
  call_->StartCall(Begin(start_));
  // gRPC reckons the span from now on its own monotonic clock.
  deadline_.Set(queue, gpr_time_from_millis(options_.connect_timeout.count(), GPR_TIMESPAN),
                Begin(expire_));
}

void GrpcStream::Write(std::string message) {
  if (ended_) return;
  outgoing_.push_back(ToByteBuffer(std::move(message)));
  WriteNext();
}

void GrpcStream::Cancel() {
  ended_ = true;
  if (!write_.pending) outgoing_.clear();
  context_.TryCancel();
  deadline_.Cancel();
}

void GrpcStream::Complete(void* tag, bool ok) {
  auto* operation = static_cast<Operation*>(tag);
  DOAGENT_CHECK(operation->pending);
  operation->pending = false;
  (operation->stream->*operation->completed)(ok);
}

bool GrpcStream::idle() const {
  return !start_.pending && !read_.pending && !write_.pending && !finish_.pending &&
         !expire_.pending;
}

void GrpcStream::Started(bool ok) {
  if (ended_) return;
  if (!ok) return Finish();
  started_ = true;
  Read();
  WriteNext();
}

void GrpcStream::Received(bool ok) {
  if (ended_) return;
  if (!ok) return Finish();
  answered_ = true;
  deadline_.Cancel();
  std::string bytes;
  Result<TransportEvent> event =
      FromByteBuffer(incoming_, &bytes)
          ? DecodeServerMessage(bytes)
          : Result<TransportEvent>(Fail(ErrorCode::kRefuse, "message", "cannot be read"));
  incoming_.Clear();
  if (!event) {
    return End({CloseReason::kProtocol, options_.target + ": " + event.error().Message(), {}});
  }
  events_->push_back(*std::move(event));
  Read();
}

void GrpcStream::Written(bool ok) {
  outgoing_.pop_front();
  // A write fails with the whole stream: the read that is pending then brings the reason.
  if (!ok || ended_) return outgoing_.clear();
  WriteNext();
}

void GrpcStream::Finished(bool ok) {
  if (ended_) return;
  if (!ok) status_ = grpc::Status(grpc::StatusCode::UNKNOWN, "the stream ended without a status");
  const auto& trailers = context_.GetServerTrailingMetadata();
  const auto found = trailers.find(kRetryAfterKey);
  std::optional<std::string> retry_after;
  if (found != trailers.end()) retry_after.emplace(found->second.data(), found->second.size());
  Closed closed = ClosedFromStatus(options_.target, status_, retry_after);
  // In TLS 1.3 a server judges the client's certificate when the client believes the handshake to
  // be over, and gRPC keeps the server's alert to itself.
  if (options_.shows_certificate && !answered_ && closed.reason == CloseReason::kUnreachable) {
    closed.detail += " (so ends, too, a connection whose client certificate is not accepted)";
  }
  End(std::move(closed));
}

void GrpcStream::Expired(bool ok) {
  if (!ok || answered_ || ended_) return;
  End({CloseReason::kUnreachable,
       options_.target + ": no answer within " +
           std::to_string(options_.connect_timeout.count() / 1000) + " s",
       {}});
}

void* GrpcStream::Begin(Operation& operation) {
  DOAGENT_CHECK(!operation.pending);
  operation.pending = true;
  return &operation;
}

void GrpcStream::Read() {
  call_->Read(&incoming_, Begin(read_));
}

void GrpcStream::WriteNext() {
  if (!started_ || write_.pending || outgoing_.empty()) return;
  call_->Write(outgoing_.front(), Begin(write_));
}

void GrpcStream::Finish() {
  if (!finish_.pending) call_->Finish(&status_, Begin(finish_));
}

void GrpcStream::End(Closed closed) {
  events_->push_back(std::move(closed));
  Cancel();
}

}  // namespace doagent::uploader
