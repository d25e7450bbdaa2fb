// Reads a spool that this process does not own: live, stopped or copied; an agent's or a
// receiver's. Read-only, never blocks the owner, and holds no read transaction between calls.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "spool/ids.h"
#include "spool/model.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "spool/spool.h"

namespace doagent::spool {

enum class DeliveryState { kLocal, kPending, kAcknowledged, kParked };

struct OriginStatus {
  SpoolId spool_id;
  Host host;
  Sequence first_sequence = 0;  // of what is stored; 0: nothing
  Sequence last_sequence = 0;
  std::uint64_t pending_records = 0;
  std::uint64_t pending_bytes = 0;  // stored, of them
  std::uint64_t acknowledged_records = 0;
  std::uint64_t parked_records = 0;
  std::uint64_t lost_records = 0;  // the ledger's sum of what is gone
  std::optional<WallTime> oldest_pending;
  std::vector<LedgerTotal> ledger;
  std::vector<SequenceRange> missing;  // neither there nor explained
};

struct Origin {
  SpoolId spool_id;
  Host host;
};

struct SpoolStatus {
  SpoolId spool_id;  // the file's own: of the agent that writes it, or of the receiver
  bool receiver = false;
  std::vector<OriginStatus> origins;
  std::uint64_t file_bytes = 0;  // database, write-ahead log and what belongs to them
  std::uint64_t series = 0;      // in the newest snapshots of all origins
  std::uint64_t bytes_max = 0;   // what the owner lets it become; 0: no limit, or not known
  // What a day adds, as far as the newest records show it. Nothing: there are too few.
  std::optional<std::uint64_t> bytes_per_day;
  // Of the disk that the file is on. Nothing: it does not say.
  std::optional<std::uint64_t> disk_free_bytes;
  // Until the limit, or until the disk is full, at this rate and if nothing is removed. Nothing:
  // there is neither, or no rate.
  std::optional<Nanoseconds> time_to_full;
  std::uint64_t forgotten_records = 0;  // of origins that were removed by command
};

// A record, decoded.
struct Record {
  SpoolId spool_id;
  Sequence sequence = 0;
  WallTime time;
  DeliveryState state = DeliveryState::kLocal;
  std::variant<Snapshot, Event> content;
};

// What to read. Unset means all.
struct RecordFilter {
  std::optional<SpoolId> origin;
  std::optional<std::string> host;  // its hostname
  std::optional<WallTime> from;     // included
  std::optional<WallTime> to;       // excluded
  std::optional<DeliveryState> state;
};

class Reader {
 public:
  // kRefuse: not a spool, a newer version, not there, not readable: the error says which.
  static Result<std::unique_ptr<Reader>> Open(const std::filesystem::path& path);
  ~Reader();

  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // Looks at every record's number; with many of them, no light matter.
  Result<SpoolStatus> Status();
  // Whose records there may be: no look at the records.
  Result<std::vector<Origin>> Origins();
  Result<std::vector<ParkedRecord>> Parked();

  // Calls visit for every record that the filter lets pass, origin by origin, ascending by
  // sequence, up to the heads at the time of the call, in short read transactions. The reader
  // remembers where it is: a further call goes on behind the last record visited (dump --follow),
  // Rewind begins again. visit returns false to stop. A damaged record is reported to `damaged`
  // and passed over.
  Result<void> Visit(const RecordFilter& filter, const std::function<bool(const Record&)>& visit,
                     const std::function<void(const Error&)>& damaged);
  void Rewind();

 private:
  class Impl;
  explicit Reader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace doagent::spool
