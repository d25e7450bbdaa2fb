// The seam between the uploader's state machine and the network. A transport turns bytes into
// events and back; it decides nothing: no retry, no backoff, no choice of what to send.
//
// Errors of the network come as Closed events. Used from the uploader's thread alone, except Wake.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "spool/ids.h"
#include "spool/ranges.h"
#include "spool/spool.h"
#include "spool/stored.h"
#include "spool/time.h"

namespace doagent::uploader {

// --- What comes from the other end
// -----------------------------------------------------------------

struct StoredAtReceiver {
  SpoolId spool_id;
  spool::RangeSet ranges;  // from the claim's first pending sequence on
};

// The session is open. A limit of 0 means that the receiver named none.
struct Welcome {
  ReceiverId receiver;
  std::string receiver_name;
  std::vector<StoredAtReceiver> stored;
  std::vector<SpoolId> conflicts;  // claims whose incarnations contradict what the receiver has
  std::uint64_t window_bytes = 0;
  std::uint64_t batch_bytes_max = 0;
  std::chrono::milliseconds interval{0};
};

struct Ack {
  SpoolId spool_id;
  spool::RangeSet ranges;
};

enum class RefuseReason { kPermanent, kRetry, kMissingObject, kEpochConflict };

struct Refused {
  SpoolId spool_id;
  spool::RangeSet ranges;
  RefuseReason reason = RefuseReason::kPermanent;
  std::string detail;
  std::chrono::milliseconds retry_after{0};
  std::vector<ObjectId> missing_objects;
};

struct Control {
  std::chrono::milliseconds interval{
      0};                              // the collection interval that the receiver wants; 0: none
  std::chrono::milliseconds pause{0};  // send nothing for so long
};

struct Heartbeat {};

enum class CloseReason {
  kUnreachable,      // no connection, connection lost, deadline
  kUnauthenticated,  // token, certificate or permission: only a person can help, so retry slowly
  kOverloaded,       // the server asks to come back later
  kProtocol,         // the other end does not speak this protocol, or broke it
};

struct Closed {
  CloseReason reason = CloseReason::kUnreachable;
  std::string detail;                        // for a person: what the network or the server said
  std::chrono::milliseconds retry_after{0};  // 0: not said
};

using TransportEvent = std::variant<Welcome, Ack, Refused, Control, Heartbeat, Closed>;

// --- What goes out
// ----------------------------------------------------------------------------------

struct OutgoingBatch {
  SpoolId spool_id;
  std::vector<spool::StoredObject> objects;  // not yet sent in this session
  std::vector<spool::StoredRecord> records;
  std::vector<spool::StoredBlock> blocks;
};

class Transport {
 public:
  virtual ~Transport() = default;

  // Begins a session by connecting and sending the claims. Ends in a Welcome or a Closed event.
  // REQUIRES that no session is open.
  virtual void Open(const std::vector<spool::Claim>& claims) = 0;
  // Queues a batch. REQUIRES an open session. Delivery shows in Ack, Refused or Closed events only.
  virtual void Send(OutgoingBatch batch) = 0;
  // Ends the session at once, without an event. Harmless without one.
  virtual void Close() = 0;

  // The next event, or nothing when the deadline has come or Wake was called.
  virtual std::optional<TransportEvent> Wait(MonoTime deadline) = 0;
  // Makes a Wait return. The one call that any thread may make.
  virtual void Wake() = 0;
};

}  // namespace doagent::uploader
