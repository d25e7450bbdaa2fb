// A receiver's spool: stores other origins' records, each (spool id, sequence) once, with the range
// bookkeeping in the same transaction. Same file format as the agent's (docs/spool-format.md), so
// reader.h and do-agent-spool work on it alike. Not thread-safe: one thread owns it.
//
// After an error that is not about what was given (kRefuse), the next call opens the file again;
// one that turned out to be damaged is set aside first, and a new one takes its place, under the
// same receiver id.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "spool/ids.h"
#include "spool/model.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "spool/spool.h"
#include "spool/stored.h"
#include "spool/time.h"

namespace doagent::spool {

class HeldFile;
class LockFile;
class ReserveFile;
struct KnownOrigin;
struct OwnedFile;
struct Vanished;

struct InboxOptions {
  std::filesystem::path path;
  std::string program;                    // names the holder in the lock file
  std::function<std::uint64_t()> random;  // seeds ids; REQUIRED
  WallTime wall = {};                     // names what has to be set aside
  SealPolicy seal = {};
  RetentionPolicy retention = {.expires = false};
};

// Who offers records: the name behind the token or the certificate. A spool id belongs to the
// principal that first claimed it; a relay may write any.
struct Principal {
  std::string name;
  bool relay = false;
};

struct StoredClaim {
  SpoolId spool_id;
  RangeSet stored;        // from the claim's first pending sequence on
  bool conflict = false;  // the claim's incarnations contradict what is stored
};

// Records of one origin as they came from a client, not yet checked.
struct IncomingBatch {
  SpoolId spool_id;
  std::vector<StoredObject> objects;
  std::vector<StoredRecord> records;
  std::vector<StoredBlock> blocks;
};

enum class Refusal { kPermanent, kRetry, kMissingObject, kEpochConflict };

struct RefusedRange {
  SequenceRange range;
  Refusal refusal = Refusal::kPermanent;
  std::string detail;
  std::vector<ObjectId> missing_objects;
};

struct BatchOutcome {
  RangeSet stored = {};  // now or before; durable
  std::vector<RefusedRange> refused = {};
  // False: nothing was looked at, for the origin has to be registered again. It was removed by
  // command; or the file was replaced: the one that is there says that it is another's, or what
  // could be taken over from the other is there by now, and its agent has to learn what is not.
  bool claimed = true;
};

class Inbox {
 public:
  // Damaged files are set aside, and what is intact in them is taken over by Maintain; so is a file
  // that is removed or replaced later on. Errors as Spool::Open has them.
  static Result<std::unique_ptr<Inbox>> Open(const InboxOptions& options);
  ~Inbox();

  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  const ReceiverId& receiver_id() const { return receiver_id_; }
  // What happened to the file since the last call, for people: one sentence each.
  std::vector<std::string> TakeNotices();

  // Registers an origin and says what is stored of it. kRefuse: it belongs to another principal.
  Result<StoredClaim> Register(const Principal& principal, const Claim& claim);

  // Stores all batches in one transaction; outcome i is batch i's. Each batch's records must be of
  // a spool id that Register accepted from the same principal. An error (no space, EIO) means that
  // nothing was stored of any; what is wrong with one batch is refused in its outcome only.
  Result<std::vector<BatchOutcome>> Store(const std::vector<IncomingBatch>& batches, WallTime now);

  // One step of what keeps the file small: seals a run of rows that is due, removes what need not
  // or cannot be kept, gives space back. To be called when there is time; takes some milliseconds.
  // True: there may be more to do at once.
  Result<bool> Maintain(WallTime wall, MonoTime mono);

  // Takes over what was in a file that was removed while this ran: nobody else can. To be called
  // before a stop; short, where there is nothing of that kind.
  Result<void> TakeOverVanished();

 private:
  class Impl;
  struct Registered {
    Principal principal;
    Claim claim;
  };

  explicit Inbox(const InboxOptions& options);
  Result<void> OpenFile(OwnedFile owned);
  // Opens the file again if the last call left it closed, or if it is not at its path any more.
  Result<void> MakeReady();
  Result<void> BringUp();
  // What is held, and has no name any more, is to be taken over.
  void NoteVanished();
  // What is in no file that has a name gets one. REQUIRES that it cannot be taken over now.
  void KeepVanished();
  void CloseFile();
  Result<void> ForgetTakenOver();
  // Closes the file after an error that asks for it.
  template <typename T>
  Result<T> Noting(Result<T> result);

  const InboxOptions options_;
  std::unique_ptr<LockFile> lock_;
  std::unique_ptr<ReserveFile> reserve_;
  std::unique_ptr<HeldFile> held_;  // before impl_: it must go after the connections
  WallTime wall_;                   // of the last call
  MonoTime mono_;
  std::vector<Vanished> vanished_;                         // until they are taken over
  std::vector<KnownOrigin> closed_with_;                   // what the file had that was open last
  std::map<std::string, std::vector<KnownOrigin>> known_;  // of those that were set aside, by name
  ReceiverId receiver_id_;                                 // zero: not known yet
  // Why the next file is a new one, until it is open. Empty: it is not.
  std::string replaced_;
  std::vector<std::string> notices_;
  std::string damage_;  // what is wrong with the file that was closed; empty: it only failed
  std::map<SpoolId, Registered> registered_;  // since the start: known to a new file, too
  std::unique_ptr<Impl> impl_;                // none: closed
};

}  // namespace doagent::spool
