// A network between an uploader and a receiver's model, on a clock that the test moves: it has a
// latency, a bandwidth and every way to fail, and it checks what it is given to send.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "spool/ranges.h"
#include "spool/time.h"
#include "tests/support/fake_receiver.h"
#include "uploader/transport.h"

namespace doagent::test {

class FakeTransport final : public uploader::Transport {
 public:
  // REQUIRES that receiver and clock outlive it. Wait moves the clock.
  FakeTransport(ReceiverEnd& receiver, MonoTime& clock, std::uint64_t seed);

  void Open(const std::vector<spool::Claim>& claims) override;
  void Send(uploader::OutgoingBatch batch) override;
  void Close() override;
  std::optional<uploader::TransportEvent> Wait(MonoTime deadline) override;
  void Wake() override { woken_ = true; }

  // When something arrives at either end; max() for never.
  MonoTime NextTime() const;
  // What has arrived at the uploader by now, one event a call.
  std::optional<uploader::TransportEvent> Take();

  // Ends the session, if there is one, from outside.
  void Cut(uploader::Closed closed);
  // Says something that nobody asked for.
  void Say(uploader::TransportEvent event);

  // --- How the network behaves -------------------------------------------------------------------

  Nanoseconds latency = std::chrono::milliseconds(20);  // one way
  double bytes_per_second = 0;                          // towards the receiver; 0: no limit
  bool reachable = true;
  bool stalled = false;                         // nothing arrives at either end, and nobody is told
  std::optional<uploader::Closed> refuse_with;  // what an attempt is answered with
  int lose_answers = 0;                         // so many of the next ones vanish
  bool shuffle_answers = false;

  // --- What was seen -----------------------------------------------------------------------------

  bool open() const { return session_; }
  std::vector<MonoTime> attempts;
  std::vector<std::vector<spool::Claim>> hellos;
  std::vector<MonoTime> sends;
  std::uint64_t window_bytes_max =
      0;  // what may be in flight besides a single batch; 0: not checked
  std::uint64_t batch_bytes_seen_max = 0;
  std::uint64_t in_flight_bytes_seen_max = 0;
  std::vector<std::string> violations;  // of the transport's or the protocol's rules

 private:
  struct Unanswered {
    SpoolId spool_id;
    spool::RangeSet sequences;
    std::size_t bytes = 0;
  };

  void Arrive();
  void Answer(uploader::TransportEvent event, MonoTime at);
  void NoteDelivered(const uploader::TransportEvent& event);

  ReceiverEnd& receiver_;
  MonoTime& clock_;
  std::mt19937_64 random_;
  bool woken_ = false;

  bool session_ = false;
  bool welcomed_ = false;
  std::multimap<MonoTime, uploader::OutgoingBatch> on_the_way_;
  std::multimap<MonoTime, uploader::TransportEvent> answers_;
  std::deque<uploader::TransportEvent> closed_;  // the last word of a session that was cut
  MonoTime link_free_ = MonoTime::min();
  std::vector<Unanswered> unanswered_;
};

}  // namespace doagent::test
