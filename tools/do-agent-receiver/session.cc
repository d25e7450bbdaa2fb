#include "tools/do-agent-receiver/session.h"

#include <grpcpp/server_context.h>

#include <utility>

#include "uploader/grpc_bytes.h"

namespace doagent::receiver {

namespace {

using grpc::StatusCode;

// A client that sends but does not read its answers is read from no further, and in the end let go.
constexpr std::size_t kOutgoingBytesMax = 1 << 20;
constexpr int kWriteTicksMax = 40;

uploader::RefuseReason Reason(spool::Refusal refusal) {
  switch (refusal) {
    case spool::Refusal::kPermanent: return uploader::RefuseReason::kPermanent;
    case spool::Refusal::kRetry: return uploader::RefuseReason::kRetry;
    case spool::Refusal::kMissingObject: return uploader::RefuseReason::kMissingObject;
    case spool::Refusal::kEpochConflict: return uploader::RefuseReason::kEpochConflict;
  }
  return uploader::RefuseReason::kPermanent;
}

spool::RangeSet SequencesOf(const spool::IncomingBatch& batch) {
  spool::RangeSet ranges = spool::SequencesOf(batch.records);
  for (const auto& block : batch.blocks) ranges.Add(spool::SequencesOf(block));
  return ranges;
}

// Neighbouring refusals for the same reason become one message.
std::vector<uploader::Refused> Refusals(const spool::IncomingBatch& batch,
                                        const spool::BatchOutcome& outcome,
                                        std::chrono::milliseconds retry_after) {
  std::vector<uploader::Refused> refusals;
  for (const spool::RefusedRange& range : outcome.refused) {
    const auto reason = Reason(range.refusal);
    if (refusals.empty() || refusals.back().reason != reason ||
        refusals.back().detail != range.detail ||
        refusals.back().missing_objects != range.missing_objects) {
      uploader::Refused refused;
      refused.spool_id = batch.spool_id;
      refused.reason = reason;
      refused.detail = range.detail;
      refused.missing_objects = range.missing_objects;
      if (reason == uploader::RefuseReason::kRetry) refused.retry_after = retry_after;
      refusals.push_back(std::move(refused));
    }
    refusals.back().ranges.Add(range.range);
  }
  return refusals;
}

}  // namespace

std::shared_ptr<Session> Session::Start(const SessionOptions& options, StoreQueue& queue,
                                        grpc::CallbackServerContext* context,
                                        spool::Principal principal,
                                        std::function<void(const Ended&)> ended) {
  std::shared_ptr<Session> session(
      new Session(options, queue, context, std::move(principal), std::move(ended)));
  const std::lock_guard lock(session->mutex_);
  session->self_ = session;
  session->Proceed();
  return session;
}

Session::Session(const SessionOptions& options, StoreQueue& queue,
                 grpc::CallbackServerContext* context, spool::Principal principal,
                 std::function<void(const Ended&)> ended)
    : options_(options),
      queue_(queue),
      context_(context),
      principal_(std::move(principal)),
      ended_(std::move(ended)) {}

void Session::Tick() {
  const std::lock_guard lock(mutex_);
  if (stage_ == Stage::kHello && ++ticks_without_hello_ > options_.hello_ticks_max) {
    End({StatusCode::DEADLINE_EXCEEDED, "no Hello came"});
  }
  if (writing_ && ++ticks_writing_ > kWriteTicksMax) {
    End({StatusCode::DEADLINE_EXCEEDED, "the client does not read its answers"});
    context_->TryCancel();  // the write would be waited for otherwise
  }
  const bool owed = stage_ == Stage::kRegistering || waiting_batches_ > 0;
  if (owed && outgoing_.empty()) Write(uploader::EncodeHeartbeat());
  Proceed();
}

void Session::Stop(grpc::Status status) {
  const std::lock_guard lock(mutex_);
  End(std::move(status));
  Proceed();
}

// --- From the store queue ------------------------------------------------------------------------

void Session::OnRegistered(std::vector<Result<spool::StoredClaim>> claims) {
  const std::lock_guard lock(mutex_);
  uploader::Welcome welcome;
  std::string denied;  // why the session cannot open, should it come to that
  bool current_refused = false;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const spool::Claim& claim = claims_[i];
    if (!claims[i]) {
      if (claims[i].error().code != ErrorCode::kRefuse) {
        EndUnavailable("cannot be stored now: " + claims[i].error().what);
        return Proceed();
      }
      refused_.emplace(claim.spool_id, claims[i].error().what);
      if (claim.current || denied.empty()) denied = claims[i].error().Message();
      current_refused = current_refused || claim.current;
      continue;
    }
    accepted_.insert(claim.spool_id);
    welcome.stored.push_back({claim.spool_id, std::move(claims[i]->stored)});
    if (claims[i]->conflict) welcome.conflicts.push_back(claim.spool_id);
  }
  claims_.clear();
  stage_ = Stage::kOpen;
  if (accepted_.empty() || current_refused) {
    End({StatusCode::PERMISSION_DENIED, denied});
    return Proceed();
  }
  welcome.receiver = options_.receiver;
  welcome.receiver_name = options_.receiver_name;
  welcome.window_bytes = options_.window_bytes;
  welcome.batch_bytes_max = uploader::kBatchBytesMax;
  Write(uploader::EncodeWelcome(welcome));
  Proceed();
}

void Session::OnStored(const spool::IncomingBatch& batch, std::size_t bytes,
                       const Result<spool::BatchOutcome>& outcome) {
  const std::lock_guard lock(mutex_);
  waiting_bytes_ -= bytes;
  --waiting_batches_;
  if (outcome && !outcome->claimed) {
    // Only a new Hello registers it, or is told why not.
    EndUnavailable("spool id " + batch.spool_id.Hex() +
                   " has to be claimed again: it was removed here, or the file was replaced");
  } else if (outcome) {
    Answer(batch, *outcome);
  } else {
    uploader::Refused refused;
    refused.spool_id = batch.spool_id;
    refused.ranges = SequencesOf(batch);
    refused.reason = uploader::RefuseReason::kRetry;
    refused.detail = outcome.error().what;
    refused.retry_after = options_.retry_after;
    Write(uploader::EncodeRefused(refused));
  }
  Proceed();
}

void Session::Answer(const spool::IncomingBatch& batch, const spool::BatchOutcome& outcome) {
  Write(uploader::EncodeAck({batch.spool_id, outcome.stored}));
  for (const auto& refused : Refusals(batch, outcome, options_.retry_after)) {
    Write(uploader::EncodeRefused(refused));
  }
}

// --- From gRPC -----------------------------------------------------------------------------------

void Session::OnReadDone(bool ok) {
  // Nobody else touches incoming_ before the next StartRead: decoding needs no lock.
  std::string bytes;
  Result<uploader::ClientMessage> message = Fail(ErrorCode::kRefuse, "message", "cannot be read");
  if (ok && uploader::FromByteBuffer(incoming_, &bytes)) {
    message = uploader::DecodeClientMessage(bytes);
  }
  incoming_.Clear();

  const std::lock_guard lock(mutex_);
  reading_ = false;
  incoming_bytes_ = bytes.size();
  if (!ok) {
    half_closed_ = true;
    if (context_->IsCancelled()) End({StatusCode::CANCELLED, "the client has gone"});
  } else if (ending_) {
    // What comes after the end is not looked at: the client was told, or is about to be.
  } else if (!message) {
    End({StatusCode::INVALID_ARGUMENT, message.error().Message()});
  } else {
    std::visit([this](auto&& body) { Handle(std::forward<decltype(body)>(body)); },
               *std::move(message));
  }
  Proceed();
}

void Session::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  outgoing_bytes_ -= outgoing_.front().Length();
  outgoing_.pop_front();
  if (!ok) {
    DropOutgoing();
    End({StatusCode::UNAVAILABLE, "the connection is gone"});
  }
  Proceed();
}

void Session::OnCancel() {
  const std::lock_guard lock(mutex_);
  End({StatusCode::CANCELLED, "the client has gone"});
  if (!writing_) DropOutgoing();
  Proceed();
}

void Session::OnDone() {
  Ended ended;
  {
    const std::lock_guard lock(mutex_);
    ended.session = this;
    ended.who = principal_.name + (hostname_.empty() ? "" : " (" + hostname_ + ")");
    ended.reason = status_.error_message();
  }
  ended_(ended);
  const std::shared_ptr<Session> last = std::move(self_);
}

// --- What the client says ------------------------------------------------------------------------

void Session::Handle(uploader::Hello hello) {
  if (stage_ != Stage::kHello) return End({StatusCode::INVALID_ARGUMENT, "a second Hello"});
  stage_ = Stage::kRegistering;
  for (const spool::Claim& claim : hello.claims) {
    if (hostname_.empty() || claim.current) hostname_ = claim.host.hostname;
  }
  claims_ = std::move(hello.claims);
  queue_.Register(self_, principal_, claims_);
}

void Session::Handle(spool::IncomingBatch batch) {
  if (!Admit(batch.spool_id, SequencesOf(batch))) return;
  waiting_bytes_ += incoming_bytes_;
  ++waiting_batches_;
  queue_.Add(self_, std::move(batch), incoming_bytes_);
}

void Session::Handle(const uploader::MalformedBatch& malformed) {
  if (!Admit(malformed.spool_id, malformed.ranges)) return;
  uploader::Refused refused;
  refused.spool_id = malformed.spool_id;
  refused.ranges = malformed.ranges;
  refused.detail = malformed.detail;
  Write(uploader::EncodeRefused(refused));
}

bool Session::Admit(const SpoolId& spool_id, const spool::RangeSet& ranges) {
  if (stage_ != Stage::kOpen) {
    End({StatusCode::INVALID_ARGUMENT, "a batch before Hello"});
    return false;
  }
  if (accepted_.count(spool_id) > 0) return true;
  const auto refused = refused_.find(spool_id);
  if (refused == refused_.end()) {
    // Not a refusal of the records: in a session that claims the spool id they are welcome.
    End({StatusCode::FAILED_PRECONDITION,
         "a batch of spool id " + spool_id.Hex() + ", which the Hello did not claim"});
    return false;
  }
  uploader::Refused answer;
  answer.spool_id = spool_id;
  answer.ranges = ranges;
  answer.detail = refused->second;
  Write(uploader::EncodeRefused(answer));
  return false;
}

// --- Machinery -----------------------------------------------------------------------------------

void Session::Write(std::string message) {
  if (ending_) return;
  outgoing_bytes_ += message.size();
  outgoing_.push_back(uploader::ToByteBuffer(std::move(message)));
}

void Session::Write(const std::vector<std::string>& messages) {
  for (const std::string& message : messages) Write(message);
}

void Session::DropOutgoing() {
  outgoing_.clear();
  outgoing_bytes_ = 0;
}

void Session::End(grpc::Status status) {
  if (ending_) return;
  ending_ = true;
  status_ = std::move(status);
}

void Session::EndUnavailable(const std::string& why) {
  if (ending_) return;
  context_->AddTrailingMetadata(uploader::kRetryAfterKey,
                                std::to_string(options_.retry_after.count()));
  End({StatusCode::UNAVAILABLE, why});
}

// Starts whatever the state allows: a write, a read, or the end. Every reaction comes here last.
void Session::Proceed() {
  if (finished_) return;
  if (!writing_ && !outgoing_.empty()) {
    writing_ = true;
    ticks_writing_ = 0;
    StartWrite(&outgoing_.front());
  }
  const bool answered = stage_ != Stage::kRegistering && waiting_batches_ == 0;
  if (half_closed_ && answered) End(grpc::Status::OK);
  if (ending_ && !writing_) {
    finished_ = true;
    return Finish(status_);
  }
  // A client that has nothing waiting is always read from, so that none starves when the queue is
  // full.
  const bool room =
      waiting_bytes_ == 0 || (waiting_bytes_ < options_.window_bytes && !queue_.full());
  if (!reading_ && !half_closed_ && !ending_ && stage_ != Stage::kRegistering && room &&
      outgoing_bytes_ < kOutgoingBytesMax) {
    reading_ = true;
    StartRead(&incoming_);
  }
}

}  // namespace doagent::receiver
