// What a person or a metric may ask of the uploader.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "spool/ids.h"
#include "spool/time.h"

namespace doagent::uploader {

enum class State : std::uint8_t {
  kBackoff,      // no session: the next attempt waits for its time
  kConnecting,   // the claims are sent, the Welcome has not come
  kStreaming,    // batches go out as soon as there are records
  kPaused,       // refused for want of authentication or permission: slow retry, all is kept
  kServerPause,  // the session is open, and the receiver asked for silence
};

// "backoff", "connecting", "streaming", "paused", "server_pause".
std::string_view Name(State state);

// Since the start of the program.
struct UploaderCounters {
  std::uint64_t records_sent = 0;  // repeats included
  std::uint64_t records_acknowledged = 0;
  std::uint64_t records_refused = 0;  // each time that one is
  std::uint64_t records_parked = 0;
  std::uint64_t batches_sent = 0;
  std::uint64_t bytes_sent = 0;  // records and objects as stored
  std::uint64_t epochs_started = 0;
};

struct UploaderStatus {
  State state = State::kBackoff;
  WallTime since;  // when this state began

  // Connection attempts since the receiver last acknowledged a record, and in all.
  std::uint64_t attempts = 0;
  std::uint64_t attempts_total = 0;
  std::uint64_t sessions = 0;  // attempts that were answered with a Welcome

  std::string last_error;  // of the network or the receiver; stays when it is over
  std::optional<WallTime> last_error_at;
  // Since when there has been no open session. Unset: there is one, or none was tried yet.
  std::optional<WallTime> disconnected_since;
  std::string spool_error;  // why the spool cannot be read or written now; empty: it can

  std::optional<WallTime> last_ack;
  std::string receiver_name;  // of the last Welcome
  ReceiverId receiver;

  std::uint64_t in_flight_bytes = 0;
  std::uint64_t in_flight_batches = 0;
  std::uint64_t batch_bytes_limit = 0;  // what a batch may have now: adapts to the link

  UploaderCounters counters;

  // The collection interval that the receiver wants; 0: it wants none.
  std::chrono::milliseconds interval_wanted{0};

  // The session is open, and the receiver has everything that the spool has to offer.
  bool drained = false;
};

// Something that a person should read once. Repeats of the same failure are only counted.
struct Notice {
  enum class Severity : std::uint8_t { kInfo, kWarning, kError };

  Severity severity = Severity::kInfo;
  WallTime at;
  std::string text;
};

}  // namespace doagent::uploader
