#include "uploader/uploader.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

#include "spool/check.h"
#include "uploader/reconcile.h"
#include "uploader/session.h"
#include "uploader/wire.h"

namespace doagent::uploader {
namespace {

constexpr std::size_t kNoticesMax = 64;
// Between two steps that nothing but time calls for.
constexpr Nanoseconds kStepMin = std::chrono::milliseconds(1);

std::size_t Smaller(std::size_t ours, std::uint64_t theirs) {
  return theirs == 0 ? ours : static_cast<std::size_t>(std::min<std::uint64_t>(ours, theirs));
}

std::string Seconds(Nanoseconds duration) {
  return std::to_string(std::chrono::ceil<std::chrono::seconds>(duration).count()) + " s";
}

std::string Describe(const Closed& closed) {
  std::string text;
  switch (closed.reason) {
    case CloseReason::kUnreachable: text = "no connection to the receiver"; break;
    case CloseReason::kUnauthenticated: text = "the receiver does not let us in"; break;
    case CloseReason::kOverloaded: text = "the receiver asks to come back later"; break;
    case CloseReason::kProtocol: text = "the other end does not keep to the protocol"; break;
  }
  return closed.detail.empty() ? text : text + ": " + closed.detail;
}

Notice::Severity SeverityOf(CloseReason reason) {
  const bool passing = reason == CloseReason::kUnreachable || reason == CloseReason::kOverloaded;
  return passing ? Notice::Severity::kWarning : Notice::Severity::kError;
}

}  // namespace

Uploader::Uploader(spool::Spool& spool, Transport& transport, UploaderOptions options)
    : spool_(spool),
      transport_(transport),
      options_(std::move(options)),
      backoff_(options_.backoff_min, options_.backoff_max, options_.random),
      spool_backoff_(options_.backoff_min, options_.backoff_max, options_.random),
      batch_size_(std::min(options_.batch_bytes_max, kBatchBytesMax)) {
  DOAGENT_CHECK(options_.window_bytes > 0);
  DOAGENT_CHECK(options_.auth_retry_min <= options_.auth_retry_max);
}

Uploader::~Uploader() = default;

void Uploader::Step(MonoTime now, WallTime wall, std::optional<TransportEvent> event) {
  if (now_ == MonoTime::min()) status_.since = wall;
  now_ = std::max(now_, now);
  wall_ = wall;
  if (event) Handle(*event);
  CheckDeadlines();
  const bool idle = session_ == nullptr && status_.state != State::kConnecting;
  if (idle && now_ >= attempt_at_) Connect();
  if (session_ != nullptr) Pump();
  RefreshStatus();
  deadline_ = std::max(ComputeDeadline(), now_ + kStepMin);
}

// --- What comes in -------------------------------------------------------------------------------

void Uploader::Handle(const TransportEvent& event) {
  const bool connecting = status_.state == State::kConnecting;
  if (!connecting && session_ == nullptr) return;  // of a session that has ended
  if (const auto* closed = std::get_if<Closed>(&event)) return Disconnect(*closed);
  if (const auto* welcome = std::get_if<Welcome>(&event)) {
    if (connecting) return HandleWelcome(*welcome);
    return Disconnect({CloseReason::kProtocol, "a second Welcome in one session", {}});
  }
  if (connecting) {
    if (std::holds_alternative<Heartbeat>(event)) {  // still busy with the claims
      answer_due_ = std::min(now_ + options_.welcome_timeout, welcome_due_max_);
      return;
    }
    return Disconnect({CloseReason::kProtocol, "an answer before the Welcome", {}});
  }
  if (const auto* ack = std::get_if<Ack>(&event)) {
    if (!session_->OnAck(*ack, now_)) return;
    status_.last_ack = wall_;
    status_.attempts = 0;
    backoff_.Reset();
  } else if (const auto* refused = std::get_if<Refused>(&event)) {
    if (const auto conflict = session_->OnRefused(*refused, now_)) {
      StartNewEpoch(session_->receiver(), *conflict);
    }
  } else if (const auto* control = std::get_if<Control>(&event)) {
    HandleControl(*control);
  } else {
    session_->OnHeartbeat(now_);
  }
}

void Uploader::HandleControl(const Control& control) {
  if (control.interval.count() > 0) status_.interval_wanted = control.interval;
  if (control.pause.count() <= 0) return;
  pause_until_ = now_ + std::min(control.pause, options_.pushback_max);
  if (status_.state == State::kServerPause) return;
  SetState(State::kServerPause);
  Notify(Notice::Severity::kInfo,
         "the receiver asks for a pause of " + Seconds(pause_until_ - now_));
}

void Uploader::HandleWelcome(const Welcome& welcome) {
  const auto reconciled = Reconcile(spool_, claims_, welcome);
  if (!reconciled.has_value()) {
    SpoolFailed(reconciled.error());
    return Disconnect({CloseReason::kUnreachable, "the spool does not answer", {}});
  }
  status_.receiver = welcome.receiver;
  status_.receiver_name = welcome.receiver_name;
  if (!reconciled->conflict.empty()) return StartNewEpoch(welcome.receiver, reconciled->conflict);
  spool_.SealBacklog();

  ++status_.sessions;
  status_.interval_wanted = welcome.interval;
  status_.disconnected_since.reset();
  const bool asked = asked_receiver_ == welcome.receiver;
  ask_at_ = asked ? MonoTime::max() : now_ + options_.ask_delay;
  session_ = std::make_unique<Session>(
      spool_, transport_, batch_size_, status_.counters, claims_, welcome,
      SessionOptions{.batch_bytes_max = Smaller(std::min(options_.batch_bytes_max, kBatchBytesMax),
                                                welcome.batch_bytes_max),
                     .window_bytes = Smaller(options_.window_bytes, welcome.window_bytes),
                     .retry_min = options_.backoff_min,
                     .retry_max = options_.backoff_max,
                     .pushback_max = options_.pushback_max,
                     .random = options_.random},
      now_);
  SetState(now_ < pause_until_ ? State::kServerPause : State::kStreaming);
  if (reconciled->offered_again > 0) {
    Notify(Notice::Severity::kWarning,
           "the receiver no longer has " + std::to_string(reconciled->offered_again) +
               " records that it once acknowledged; what is still here of them is sent again");
  }
}

void Uploader::StartNewEpoch(const ReceiverId& receiver, const std::string& why) {
  const auto current = std::find_if(claims_.begin(), claims_.end(),
                                    [](const spool::Claim& claim) { return claim.current; });
  DOAGENT_CHECK(current != claims_.end());
  if (now_ < epoch_allowed_at_) {
    return Disconnect(
        {CloseReason::kProtocol, why + ", and a new spool id was started only just before", {}});
  }
  const auto old_id = current->spool_id;
  // What is said against one that was given up since is no news of the one that is current.
  if (old_id != spool_.spool_id()) return Reconnect();
  const auto from = EpochStart(spool_, *current, receiver);
  const auto new_id = spool_.StartNewEpoch(from, why, wall_, now_);
  if (!new_id.has_value()) {
    SpoolFailed(new_id.error());
    return Disconnect({CloseReason::kUnreachable, "the spool does not answer", {}});
  }
  epoch_allowed_at_ = now_ + options_.epoch_interval_min;
  ++status_.counters.epochs_started;
  Notify(Notice::Severity::kWarning, why + ": records from " + std::to_string(from) +
                                         " on continue as spool " + new_id->Hex() + " instead of " +
                                         old_id.Hex());
  EndSession();
  SetState(State::kBackoff);
  attempt_at_ = now_ + backoff_.Next();
}

// --- Sessions ------------------------------------------------------------------------------------

void Uploader::Connect() {
  if (now_ < spool_retry_at_) {
    attempt_at_ = spool_retry_at_;
    return;
  }
  ++status_.attempts;
  ++status_.attempts_total;
  offers_seen_ = spool_.offers();
  auto claims = spool_.Claims();
  if (!claims.has_value()) {
    SpoolFailed(claims.error());
    attempt_at_ = spool_retry_at_;
    return;
  }
  // Before the first Welcome: whoever it was when the spool was used last.
  asked_receiver_ = status_.receiver.IsZero() ? spool_.LatestReceiver() : status_.receiver;
  claims_ = ClaimsToSend(spool_, *std::move(claims), asked_receiver_);
  answer_due_ = now_ + options_.welcome_timeout;
  welcome_due_max_ = now_ + options_.batch_timeout;
  SetState(State::kConnecting);
  transport_.Open(claims_);
}

void Uploader::EndSession() {
  if (session_ != nullptr && !session_->in_flight().empty() && !session_->anything_acknowledged()) {
    batch_size_.OnNothingAcknowledged();
  }
  session_.reset();
  announced_ = false;
  claims_.clear();
  transport_.Close();
}

void Uploader::Disconnect(const Closed& closed) {
  EndSession();
  status_.last_error = Describe(closed);
  status_.last_error_at = wall_;
  if (!status_.disconnected_since) status_.disconnected_since = wall_;

  const bool refused = closed.reason == CloseReason::kUnauthenticated;
  const Nanoseconds asked =
      std::clamp(closed.retry_after, std::chrono::milliseconds(0), options_.pushback_max);
  const Nanoseconds delay =
      refused ? Jitter(options_.auth_retry_min, options_.auth_retry_max, options_.random)
              : backoff_.Next();
  attempt_at_ = now_ + asked + delay;
  SetState(refused ? State::kPaused : State::kBackoff);

  if (reported_failure_ == closed.reason) return;
  reported_failure_ = closed.reason;
  Notify(SeverityOf(closed.reason),
         status_.last_error + (refused ? "; everything is kept, and tried again every few minutes"
                                       : "; everything is kept, and tried again"));
}

void Uploader::CheckDeadlines() {
  if (status_.state == State::kConnecting && now_ >= answer_due_) {
    return Disconnect(
        {CloseReason::kUnreachable, "no Welcome within " + Seconds(options_.welcome_timeout), {}});
  }
  if (session_ == nullptr) return;
  const auto& in_flight = session_->in_flight();
  if (!in_flight.empty() && now_ >= session_->last_progress() + options_.progress_timeout) {
    return Disconnect(
        {CloseReason::kUnreachable, "no answer within " + Seconds(options_.progress_timeout), {}});
  }
  if (!in_flight.empty() && now_ >= in_flight.oldest_sent_at() + options_.batch_timeout) {
    return Disconnect({CloseReason::kUnreachable,
                       "a batch was not answered within " + Seconds(options_.batch_timeout),
                       {}});
  }
  if (status_.state == State::kServerPause && now_ >= pause_until_) SetState(State::kStreaming);
  if (now_ >= ask_at_) return Reconnect();
  if (spool_.offers() != offers_seen_) LookForOffers();
}

void Uploader::LookForOffers() {
  const std::uint64_t offers = spool_.offers();
  const auto claims = spool_.Claims();
  if (!claims.has_value()) return SpoolFailed(claims.error());
  offers_seen_ = offers;
  session_->LookAgain();
  const bool known = std::all_of(claims->begin(), claims->end(), [this](const auto& claim) {
    return claim.first_pending > claim.head || session_->Claimed(claim.spool_id);
  });
  if (!known) Reconnect();
}

void Uploader::Reconnect() {
  EndSession();
  SetState(State::kBackoff);
  attempt_at_ = now_ + backoff_.Next();
}

void Uploader::Pump() {
  if (now_ < pause_until_ || now_ < spool_retry_at_) return;
  // The spool has been replaced under our feet: the receiver must hear of its id first.
  if (!session_->Claimed(spool_.spool_id())) return Reconnect();
  const auto pumped = session_->Pump(now_, wall_);
  Announce();
  if (const auto& parked = session_->first_parked(); parked && !park_reported_) {
    park_reported_ = true;
    Notify(Notice::Severity::kWarning,
           "record " + std::to_string(parked->sequence) + " of spool " + parked->spool_id.Hex() +
               " is set aside: " + parked->reason + " (do-agent-spool parked lists all)");
  }
  if (!pumped.has_value()) return SpoolFailed(pumped.error());
  spool_backoff_.Reset();
  if (!status_.spool_error.empty()) {
    status_.spool_error.clear();
    Notify(Notice::Severity::kInfo, "the spool answers again");
  }
  if (session_->refuses_everything()) {
    Disconnect({CloseReason::kProtocol,
                "it refuses record after record and acknowledges none; no more are set aside now",
                {}});
  }
}

void Uploader::SpoolFailed(const Error& error) {
  spool_retry_at_ = now_ + spool_backoff_.Next();
  if (status_.spool_error.empty()) Notify(Notice::Severity::kError, error.Message());
  status_.spool_error = error.Message();
}

void Uploader::Announce() {
  if (announced_ || (!session_->anything_acknowledged() && !session_->Drained())) return;
  announced_ = true;
  reported_failure_.reset();
  park_reported_ = false;
  const auto& name = status_.receiver_name;
  Notify(Notice::Severity::kInfo,
         "connected to receiver " + (name.empty() ? session_->receiver().Hex() : name));
}

// --- For the caller ------------------------------------------------------------------------------

MonoTime Uploader::ComputeDeadline() const {
  if (status_.state == State::kConnecting) return answer_due_;
  if (session_ == nullptr) return attempt_at_;
  auto deadline = ask_at_;
  const auto& in_flight = session_->in_flight();
  if (!in_flight.empty()) {
    deadline = std::min({deadline, session_->last_progress() + options_.progress_timeout,
                         in_flight.oldest_sent_at() + options_.batch_timeout});
  }
  // Those that are over have been acted upon in this step.
  for (const auto time : {pause_until_, spool_retry_at_, session_->NextRetry(now_)}) {
    if (time > now_) deadline = std::min(deadline, time);
  }
  return deadline;
}

void Uploader::RefreshStatus() {
  const bool open = session_ != nullptr;
  status_.in_flight_bytes = open ? session_->in_flight().bytes() : 0;
  status_.in_flight_batches = open ? session_->in_flight().size() : 0;
  status_.batch_bytes_limit = open ? session_->BatchLimit() : batch_size_.limit_bytes();
  status_.drained = open && session_->Drained() && status_.spool_error.empty();
}

void Uploader::SetState(State state) {
  if (status_.state == state) return;
  status_.state = state;
  status_.since = wall_;
}

void Uploader::Notify(Notice::Severity severity, std::string text) {
  if (notices_.size() == kNoticesMax) notices_.erase(notices_.begin());
  notices_.push_back({severity, wall_, std::move(text)});
}

std::vector<Notice> Uploader::TakeNotices() {
  return std::exchange(notices_, {});
}

}  // namespace doagent::uploader
