// A model of a receiver: stores each (spool id, sequence) once, knows its epochs, and fails as it
// is told to. Answers are returned, not sent: fake_transport.h has the network.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "spool/ids.h"
#include "spool/spool.h"
#include "spool/stored.h"
#include "uploader/transport.h"

namespace doagent::test {

// The other end of a FakeTransport.
class ReceiverEnd {
 public:
  virtual ~ReceiverEnd() = default;
  virtual uploader::Welcome Register(const std::vector<spool::Claim>& claims) = 0;
  virtual std::vector<uploader::TransportEvent> Store(uploader::OutgoingBatch batch) = 0;
};

class FakeReceiver final : public ReceiverEnd {
 public:
  using Name = std::pair<SpoolId, Sequence>;

  // What survives a restart; may be copied (a backup) and put back.
  struct Stored {
    std::uint64_t checksum = 0;
    Incarnation incarnation = 0;  // that wrote it, as the claim said
  };
  struct Origin {
    std::map<Sequence, Stored> records;
    spool::RangeSet sequences;  // the same
  };
  struct Storage {
    std::map<SpoolId, Origin> origins;
    std::set<ObjectId> objects;
  };

  explicit FakeReceiver(std::uint64_t id);

  uploader::Welcome Register(const std::vector<spool::Claim>& claims) override;
  std::vector<uploader::TransportEvent> Store(uploader::OutgoingBatch batch) override;

  bool Has(const SpoolId& spool_id, Sequence sequence) const;
  std::uint64_t record_count() const;
  void Become(std::uint64_t id);  // another receiver, with nothing stored

  Storage storage;

  // --- How it behaves --------------------------------------------------------------------------

  std::uint64_t window_bytes = 0;
  std::uint64_t batch_bytes_max = 0;
  std::chrono::milliseconds interval{0};
  // A batch with such a record is refused for good, all of it.
  std::function<bool(const SpoolId&, const spool::StoredRecord&)> poisonous;
  bool refuse_exactly = false;  // only the poisonous records of the batch
  // Everything is refused for now, with this retry_after.
  std::optional<std::chrono::milliseconds> refuse_for_now;
  bool name_missing_objects = true;
  bool always_misses_objects = false;
  std::size_t acks_per_batch = 1;
  bool reports_conflicts = true;  // in the Welcome; else only when records arrive
  bool conflict_in_everything = false;

  // --- What it has seen ------------------------------------------------------------------------

  std::uint64_t batches = 0;
  std::uint64_t records_received = 0;
  std::uint64_t records_stored_before = 0;  // repeats
  std::uint64_t objects_received = 0;
  std::vector<Name> stored_order;

 private:
  bool InConflict(const spool::Claim& claim) const;
  // The objects that the batch's records need and that are not there.
  std::vector<ObjectId> Missing(const uploader::OutgoingBatch& batch) const;
  std::vector<uploader::TransportEvent> StoreRecords(const uploader::OutgoingBatch& batch);
  std::vector<uploader::TransportEvent> AckInParts(const SpoolId& spool_id,
                                                   const spool::RangeSet& stored) const;

  ReceiverId id_;
  std::vector<spool::Claim> claims_;  // of the session
};

}  // namespace doagent::test
