// Drains a spool to a receiver: connects, says what it has, sends what the receiver lacks, marks
// what was acknowledged, and never gives up. docs/protocol.md has the conversation.
//
// A state machine without a clock, a thread or a socket of its own. The caller's loop is
//
//   while (!stop) {
//     auto event = transport.Wait(uploader.NextDeadline());
//     uploader.Step(now, wall, std::move(event));
//     for (const auto& notice : uploader.TakeNotices()) Log(notice);
//   }
//
// with spool.OnAppend([&] { transport.Wake(); }), so that a new record goes out at once.
//
// Nothing but the receiver's word makes a record count as delivered, and nothing but the receiver's
// refusal of that very record sets it aside. Not thread-safe: one thread steps it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spool/result.h"
#include "spool/spool.h"
#include "spool/time.h"
#include "uploader/backoff.h"
#include "uploader/batch_size.h"
#include "uploader/status.h"
#include "uploader/transport.h"

namespace doagent::uploader {

struct UploaderOptions {
  // Uniform in [0, 1). REQUIRED. Seeded by the caller, differently on each host: it is what keeps
  // a fleet from coming back in step.
  std::function<double()> random;

  // Ours; the receiver may ask for less. A batch counts its records and its objects.
  std::size_t batch_bytes_max = std::size_t{1} << 20;
  std::size_t window_bytes = std::size_t{4} << 20;

  // The delay before an attempt is drawn from a span whose upper end grows from min to max.
  std::chrono::milliseconds backoff_min = std::chrono::seconds(1);
  std::chrono::milliseconds backoff_max = std::chrono::minutes(5);
  // The delay after a refusal for want of authentication is drawn from this span.
  std::chrono::milliseconds auth_retry_min = std::chrono::minutes(1);
  std::chrono::milliseconds auth_retry_max = std::chrono::minutes(5);

  // A receiver that says nothing for so long, when it owes an answer, is gone (half-open
  // connection). Heartbeats count as an answer.
  std::chrono::milliseconds welcome_timeout = std::chrono::seconds(30);
  std::chrono::milliseconds progress_timeout = std::chrono::seconds(30);
  // A batch that is settled neither way for so long was forgotten by the receiver, whatever else it
  // answers: a new session asks what became of it.
  std::chrono::milliseconds batch_timeout = std::chrono::minutes(5);

  // The longest that a receiver's word (retry after, pause) holds us off.
  std::chrono::milliseconds pushback_max = std::chrono::hours(1);
  // New spool ids are not made faster than this, whatever the receiver says about conflicts.
  std::chrono::milliseconds epoch_interval_min = std::chrono::minutes(10);
  // Whether a receiver still has all that it acknowledged is part of the claims, which are sent
  // before it is known who answers. If it is another one than the last, it is asked so long after
  // its Welcome.
  std::chrono::milliseconds ask_delay = std::chrono::minutes(10);
};

class Session;

class Uploader {
 public:
  // REQUIRES that both outlive the uploader, and that nobody else uses the transport.
  Uploader(spool::Spool& spool, Transport& transport, UploaderOptions options);
  ~Uploader();

  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  // Takes an event, or none (woken by a new record, or the deadline has come), and does everything
  // that can be done at this time. `now` never decreases from call to call.
  void Step(MonoTime now, WallTime wall, std::optional<TransportEvent> event);

  // When Step wants to be called at the latest; after a Step it is later than that step's `now`.
  // MonoTime::min() before the first step.
  MonoTime NextDeadline() const { return deadline_; }

  const UploaderStatus& Status() const { return status_; }

  // What happened since the last call, oldest first. Kept to the latest 64.
  std::vector<Notice> TakeNotices();

 private:
  void Handle(const TransportEvent& event);
  void HandleWelcome(const Welcome& welcome);
  void HandleControl(const Control& control);
  void Connect();
  void Pump();
  void CheckDeadlines();
  // The spool has records of older spool ids to offer again, perhaps of one that is not claimed.
  void LookForOffers();
  // Ends the session, if there is one.
  void EndSession();
  // The same because of a failure, which decides when the next attempt is made.
  void Disconnect(const Closed& closed);
  // The same by our own wish.
  void Reconnect();
  void StartNewEpoch(const ReceiverId& receiver, const std::string& why);
  void SpoolFailed(const Error& error);
  // Tells of the connection once it has proved itself, so that a receiver that takes nothing is not
  // news at every attempt.
  void Announce();
  void RefreshStatus();
  MonoTime ComputeDeadline() const;

  void SetState(State state);
  void Notify(Notice::Severity severity, std::string text);

  spool::Spool& spool_;
  Transport& transport_;
  const UploaderOptions options_;

  MonoTime now_ = MonoTime::min();  // of the current step
  WallTime wall_;
  MonoTime deadline_ = MonoTime::min();

  UploaderStatus status_;
  std::vector<Notice> notices_;
  std::optional<CloseReason> reported_failure_;  // told of, and not followed by success yet
  bool announced_ = false;                       // this session
  bool park_reported_ = false;                   // since the last announcement

  Backoff backoff_;        // between sessions
  Backoff spool_backoff_;  // between attempts at a spool that fails
  BatchSize batch_size_;   // learned from the link, hence kept from session to session

  MonoTime attempt_at_ = MonoTime::min();       // the next one, while there is no session
  MonoTime answer_due_ = MonoTime::max();       // the Welcome or a sign of life, while connecting
  MonoTime welcome_due_max_ = MonoTime::max();  // the Welcome, however often there is one
  MonoTime pause_until_ = MonoTime::min();      // as the receiver asked
  MonoTime spool_retry_at_ = MonoTime::min();   // do not touch the spool before
  MonoTime epoch_allowed_at_ = MonoTime::min();
  MonoTime ask_at_ = MonoTime::max();
  std::uint64_t offers_seen_ = 0;  // of the spool, with the claims

  std::vector<spool::Claim> claims_;  // what the session was opened with
  ReceiverId asked_receiver_;         // whose acknowledgements the claims ask about
  std::unique_ptr<Session> session_;  // while one is open, from its Welcome on
};

}  // namespace doagent::uploader
