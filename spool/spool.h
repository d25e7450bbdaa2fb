// The agent's spool: appends records durably, says what is still to be delivered, remembers what
// was. On disk: docs/spool-format.md. Storing other origins' records is inbox.h; reading a spool
// that another process owns is reader.h.
//
// Thread-safe: the collector's thread appends while the uploader's thread reads and acknowledges;
// neither waits for the other longer than one short transaction takes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spool/ids.h"
#include "spool/model.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "spool/stored.h"
#include "spool/time.h"

namespace doagent::spool {

// When rows become a sealed block.
struct SealPolicy {
  std::size_t snapshots = 360;              // a run of so many
  Nanoseconds age = std::chrono::hours(1);  // or a shorter one whose first row is so old
  std::size_t backlog = 60;                 // or one of so many that are about to be delivered
};

// What is kept, and for how long.
struct RetentionPolicy {
  std::uint64_t bytes_max = 1 << 30;      // with the log and all that lies beside; 0: no limit
  std::uint64_t disk_free_bytes_min = 0;  // of the disk, left to others
  bool expires = true;  // what was delivered (in a local spool: everything) goes with this age
  Nanoseconds age = std::chrono::hours(24);
  Nanoseconds floor{0};  // what is younger goes last for want of space
  // What is free on the disk; unset: what the file system of the spool says. For tests.
  std::function<std::optional<std::uint64_t>()> disk_free_bytes = nullptr;
};

struct SpoolOptions {
  std::filesystem::path path;
  Host host;  // of this machine: another identity than the stored one starts a new spool id
  BootId boot_id;
  std::string program;                    // names the holder in the lock file, such as "do-agent"
  bool local = true;                      // no endpoint: nothing is pending
  std::function<std::uint64_t()> random;  // seeds ids; REQUIRED
  WallTime wall;                          // the time of the start event
  MonoTime mono;
  int key_interval = 60;  // rows until a new key, the snapshots that hang on one key object
  SealPolicy seal;
  RetentionPolicy retention;
};

// One opening for writing of one origin.
struct IncarnationStart {
  Incarnation incarnation = 0;
  Sequence first_sequence = 0;

  friend bool operator==(const IncarnationStart&, const IncarnationStart&) = default;
};

// What the uploader may offer of one origin: its own spool id first, then older ones, which the
// machine wrote before a clone, a rollback or a salvage gave it a new id.
struct Claim {
  SpoolId spool_id;
  Host host;
  bool current = false;
  std::vector<IncarnationStart> incarnations;  // ascending
  Sequence first_pending = 0;                  // head + 1 when nothing is pending
  Sequence head = 0;                           // the highest sequence that there is
};

// Records of one origin, as they are stored: rows and events, ascending; or a block, which comes
// whole, with whatever of it is not pending.
struct PendingRecords {
  SpoolId spool_id;
  std::vector<StoredRecord> records;
  std::optional<StoredBlock> block;

  bool empty() const { return records.empty() && !block; }
};

struct ParkedRecord {
  SpoolId spool_id;
  Sequence sequence = 0;
  WallTime parked_at;
  std::string reason;
};

// What events of one kind came to, since the spool id began.
struct LedgerTotal {
  EventKind kind = EventKind::kStart;
  std::uint64_t events = 0;
  std::uint64_t records = 0;  // that they counted
};

// The state of the spool at one moment.
struct SpoolStats {
  std::uint64_t pending_records = 0;  // of all origins
  std::uint64_t parked_records = 0;
  std::uint64_t waiting_records = 0;  // in memory
  std::optional<WallTime> oldest_pending;
  std::uint64_t file_bytes = 0;     // database and log
  std::uint64_t bytes_max = 0;      // 0: no limit
  std::vector<LedgerTotal> ledger;  // of all origins together
};

class Spool {
 public:
  // Opens or creates the spool, takes its lock, and appends a start event. A damaged file is
  // renamed aside; a new one with a new spool id takes its place, and what is intact is taken over
  // by Maintain. Errors: kRefuse for a file that is no spool or a newer version; kBusy for a
  // second agent (named); kRetry for what the disk does not do at the moment; kFatal for what the
  // file system refuses. On a disk without space for it, or while another process has the database
  // locked, it opens all the same, without a spool id as yet: records wait in memory until then.
  static Result<std::unique_ptr<Spool>> Open(const SpoolOptions& options);
  // Whether Open would refuse what is at the path, without opening it: no database, no empty file.
  static Result<void> CheckPath(const std::filesystem::path& path);
  // Writes nothing: append a stop event before.
  ~Spool();

  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // Durable on return; what it returns is the record's sequence. kRefuse: beyond the limits of
  // model.h and stored.h, and not kept. After every other error the record waits in memory, with as
  // many others as a few MiB hold, and is stored by a later call, before what comes then; of what
  // had to be dropped, a gap event tells. A file that is damaged, removed or replaced gives way to
  // a new one with a new spool id at once.
  Result<Sequence> Append(const Snapshot& snapshot);
  // A stop event takes all acknowledgements with it.
  Result<Sequence> Append(const Event& event);

  // One step of what keeps the spool small: seals a run of rows that is due, removes what need not
  // or cannot be kept, gives space back. To be called after appends, when there is time; takes some
  // milliseconds. True: there may be more to do at once.
  Result<bool> Maintain(WallTime wall, MonoTime mono);

  // --- Delivery; for the uploader's thread -------------------------------------------------------

  // The current origin comes first, then those with pending records, then those that were delivered
  // whole: a receiver that was restored from a backup may lack some of it again.
  Result<std::vector<Claim>> Claims();

  // The lowest run of records of the origin that are neither delivered nor parked nor in `skip`:
  // rows with payloads of up to bytes_max in all (one at least), or one block. Nothing pending:
  // nothing in it.
  Result<PendingRecords> NextPending(const SpoolId& spool_id, const RangeSet& skip,
                                     std::size_t bytes_max);
  // The first records of a range, delivered or not, as many as one run of rows or one block has.
  Result<PendingRecords> Read(const SpoolId& spool_id, SequenceRange range);

  // The objects with their dependencies, each once, what others name before what names it.
  Result<std::vector<StoredObject>> Objects(const std::vector<ObjectId>& ids);

  // A receiver is there again: what has gathered meanwhile of the current origin is sealed, if it
  // is worth it, for blocks take a third of the bytes. The next append waits while that lasts: some
  // ten milliseconds for an hour's rows. What hinders it shows there.
  void SealBacklog();

  // The receiver has stored these durably. Remembered at once, written with a later append (every
  // sixth or so) or at the stop: losing one costs a re-send.
  void Acknowledge(const SpoolId& spool_id, const ReceiverId& receiver, const RangeSet& ranges);

  // What the receiver was known to have within a range, as far as this spool remembers.
  RangeSet Acknowledged(const SpoolId& spool_id, const ReceiverId& receiver) const;
  // Who acknowledged records last, of this spool id or an older one; zero: nobody did.
  ReceiverId LatestReceiver() const;

  // The receiver has less than it once acknowledged: the ranges are pending again, where they are
  // still there.
  Result<void> Unacknowledge(const SpoolId& spool_id, const ReceiverId& receiver,
                             const RangeSet& ranges);

  // Sets records aside: no longer pending, kept, listed with their reason; leaves one park event.
  // REQUIRES at least one sequence.
  Result<void> Park(const SpoolId& spool_id, const RangeSet& sequences, const std::string& reason,
                    WallTime wall, MonoTime mono);

  // The current spool id's sequences from `from` on are another history's at the receiver: this
  // incarnation's records from there on move to a new spool id, which becomes the current one.
  Result<SpoolId> StartNewEpoch(Sequence from, const std::string& reason, WallTime wall,
                                MonoTime mono);

  // Called from Append, on its thread, after each durable record. For waking the uploader.
  void OnAppend(std::function<void()> callback);

  // What happened to the file since the last call, for people: one sentence each.
  std::vector<std::string> TakeNotices();

  // Cheap enough for every snapshot. What cannot be read at the moment is left out.
  SpoolStats Stats();

  SpoolId spool_id() const;  // zero: it could not be opened yet
  // Changes when records of earlier spool ids wait (again) that no append has put there: taken over
  // from another file, or put back by command. The next append wakes whoever waits.
  std::uint64_t offers() const;
  // Records that wait in memory.
  std::size_t waiting() const;
  // Whether there are records in a file that was removed, and in no other: lost if the agent ends.
  bool holds_removed_file() const;
  Sequence head() const;  // of the current origin; 0: no record yet
  const std::filesystem::path& path() const;

 private:
  class Impl;
  explicit Spool(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace doagent::spool
