// One open conversation with a receiver, from its Welcome on: what to send next, what was answered.
//
// Ends with the connection: what was in flight or waiting to be tried again is simply pending once
// more, and the next Welcome says what of it arrived. One lane, oldest first: the spool ids that
// the machine wrote earlier, then the current one. Memory: the transport holds at most a window of
// records, the session only their numbers. Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "spool/result.h"
#include "spool/spool.h"
#include "spool/time.h"
#include "uploader/backoff.h"
#include "uploader/batch_builder.h"
#include "uploader/batch_size.h"
#include "uploader/in_flight.h"
#include "uploader/retry_queue.h"
#include "uploader/sent_objects.h"
#include "uploader/status.h"
#include "uploader/transport.h"

namespace doagent::uploader {

struct SessionOptions {
  std::size_t batch_bytes_max = 0;  // the smaller of what we and the receiver want
  std::size_t window_bytes = 0;
  Nanoseconds retry_min{0};  // of a record that was refused for now, without a time
  Nanoseconds retry_max{0};
  std::chrono::milliseconds pushback_max{0};  // the longest time that is believed
  std::function<double()> random;
};

class Session {
 public:
  // A refusal of the same records for want of an object is answered by sending it so many times;
  // the next one means that sending does not help.
  static constexpr int kMissingObjectRefusalsMax = 3;
  // Ranges that wait for another try. With more of them nothing new is sent.
  static constexpr std::size_t kRetriesMax = 64;
  static constexpr std::size_t kBatchesInFlightMax = 256;
  // Records set aside with none acknowledged in between. A receiver that refuses everything must
  // not make us set aside everything: each one leaves an event, which is a record, too.
  static constexpr int kParksWithoutAckMax = 100;

  // REQUIRES that spool, transport, batch_size and counters outlive the session, and the claims to
  // be those that it was opened with.
  Session(spool::Spool& spool, Transport& transport, BatchSize& batch_size,
          UploaderCounters& counters, const std::vector<spool::Claim>& claims,
          const Welcome& welcome, SessionOptions options, MonoTime now);

  // True when records of ours were in it that were still in flight.
  bool OnAck(const Ack& ack, MonoTime now);

  // What the receiver says against the current spool id itself, if it does: the session is over.
  std::optional<std::string> OnRefused(const Refused& refused, MonoTime now);
  void OnHeartbeat(MonoTime now) { last_progress_ = now; }

  // Sends while there are records, window and time. An error is the spool's: try again later.
  Result<void> Pump(MonoTime now, WallTime wall);

  // The older origins are asked for pending records only once, until this says that there are new
  // ones.
  void LookAgain();

  const ReceiverId& receiver() const { return receiver_; }
  bool Claimed(const SpoolId& spool_id) const { return Find(spool_id) != nullptr; }
  bool Drained() const;
  bool anything_acknowledged() const { return anything_acknowledged_; }
  bool refuses_everything() const { return parks_without_ack_ >= kParksWithoutAckMax; }
  // The first record that was set aside in this session.
  const std::optional<spool::ParkedRecord>& first_parked() const { return first_parked_; }

  const InFlight& in_flight() const { return in_flight_; }
  // REQUIRES something in flight: when the receiver last said anything about it.
  MonoTime last_progress() const { return last_progress_; }
  // When the next refused records may be tried again, if that is later than now; else max().
  MonoTime NextRetry(MonoTime now) const { return retries_.NextTime(now); }
  // What a batch may have at present.
  std::size_t BatchLimit() const;

 private:
  struct Origin {
    spool::Claim claim;
    // The head up to which nothing is left to be read. Unset: there may be something.
    std::optional<Sequence> drained_at;
  };

  enum class Progress {
    kNothing,  // there was nothing to do
    kBlocked,  // it does not fit into the window now
    kDone,
  };

  const Origin* Find(const SpoolId& spool_id) const;
  Sequence HeadOf(const Origin& origin) const;

  // session.cc: answers
  void Requeue(const InFlight::Settled& settled, const Refused& refused, MonoTime now);
  Nanoseconds RetryDelay(std::chrono::milliseconds asked, int refusals_before) const;

  // session_send.cc
  std::size_t WindowLimit() const;
  Result<Progress> SendNext(MonoTime now, WallTime wall);
  Result<Progress> SendPending(MonoTime now);
  Result<Progress> Retry(RetryItem item, MonoTime now, WallTime wall);
  Result<spool::PendingRecords> ReadAgain(const RetryItem& item);
  Result<Progress> Split(const RetryItem& item, const spool::PendingRecords& records, WallTime wall,
                         MonoTime now);
  Result<void> Park(const SpoolId& spool_id, const spool::RangeSet& sequences,
                    const std::string& reason, WallTime wall, MonoTime now);
  // `item` says how, `records` what. Records that do not fit are left to the caller's next turn.
  Result<Progress> Send(const RetryItem& item, ObjectChoice objects, spool::PendingRecords records,
                        MonoTime now);

  spool::Spool& spool_;
  Transport& transport_;
  BatchSize& batch_size_;
  UploaderCounters& counters_;
  const SessionOptions options_;
  const ReceiverId receiver_;

  std::vector<Origin> origins_;  // in the order of sending
  InFlight in_flight_;
  RetryQueue retries_;
  SentObjects sent_objects_;
  MonoTime last_progress_;
  bool anything_acknowledged_ = false;
  int parks_without_ack_ = 0;
  std::optional<spool::ParkedRecord> first_parked_;
};

}  // namespace doagent::uploader
