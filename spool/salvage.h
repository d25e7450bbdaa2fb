// Takes over what is intact in the files of a damaged spool, in steps of one short transaction
// each, so that collection goes on meanwhile. Every record proves itself by its checksum; what is
// there already stays, so a salvage that was cut off is simply begun again.
//
// Works on the writing connection: whoever holds that calls it. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "spool/ids.h"
#include "spool/layout.h"
#include "spool/model.h"
#include "spool/origin_table.h"
#include "spool/ranges.h"
#include "spool/record_decoder.h"
#include "spool/result.h"
#include "spool/run_reader.h"
#include "spool/sealer.h"
#include "spool/wreck.h"
#include "spool/writer.h"

namespace doagent::spool {

enum class WreckKind : std::uint8_t {
  kFiles,  // of another spool
  // The log of the spool that it is taken over into: what is not in it is in there, and the numbers
  // of origins and objects are the same.
  kOwnLog,
  kFoundLog,  // the same, unless nothing in it shows that: it lay beside the spool
};

// What the owner of a file had stored of one origin when it gave the file up: the log, in which the
// newest of it was, may be lost.
struct KnownOrigin {
  OriginRow row;
  RangeSet stored;        // some of it may have been removed since
  RangeSet acknowledged;  // by any receiver
};

struct SalvageSource {
  std::shared_ptr<const Wreck> wreck;
  std::shared_ptr<const WreckTables> tables;  // the wreck's
  std::string name;  // of the set of files: it is marked as taken over under this name
  WreckKind kind = WreckKind::kFiles;
  Host host = {};  // of records whose origin cannot be made out
  // Whether its totals are to be added: not when they are in those of another wreck, which had
  // taken it over.
  bool totals = true;
  std::set<SpoolId> removed_ids = {};   // of origins that were removed from what came later
  std::vector<KnownOrigin> known = {};  // by the wreck's numbers; they are in the tables, too
};

// What an origin should have and neither the wreck nor the ledger has.
struct SalvageLoss {
  OriginNumber origin = 0;
  SpoolId spool_id;
  RangeSet sequences;
  std::uint64_t undelivered = 0;  // of them
};

class Salvage {
 public:
  // Makes the wreck's origins known.
  static Result<std::unique_ptr<Salvage>> Begin(Writer& writer, Sealer& sealer,
                                                SalvageSource source);

  // Looks at some more of the wreck. False: all of it has been seen.
  Result<bool> Step();

  // Takes over what is known of the records that were found: delivery, removals, totals. Marks the
  // wreck. What is lost is for the caller to enter. REQUIRES a write transaction, and that Step
  // returned false.
  Result<std::vector<SalvageLoss>> Finish();

  // The destination's origins that the wreck has something of.
  std::vector<OriginNumber> Origins() const;
  std::uint64_t records() const { return records_; }  // taken over
  double progress() const;                            // from 0 to 1
  const std::string& name() const { return source_.name; }
  WreckKind kind() const { return source_.kind; }

 private:
  // What names others comes after them: nothing is put of which a part is missing.
  enum class Phase : std::uint8_t { kSchemas, kLayouts, kKeys, kBlocks, kRecords, kDone };

  Salvage(Writer& writer, Sealer& sealer, RunReader runs, SalvageSource source, Role role);

  // A history that leaves the one which the destination has under the same spool id: the file is
  // a copy that somebody went on with.
  struct Divergence {
    Sequence at = 0;
    std::vector<IncarnationStart> known;  // in the destination
    OriginRow other;                      // where it goes on; number 0: not needed yet
  };

  // The destination's.
  using KnownOrigins = std::map<SpoolId, OriginRow>;

  Result<void> PutOrigins();
  // All of the destination's origins; where their incarnations begin is remembered.
  Result<KnownOrigins> LoadIncarnations();
  Result<void> PutOriginsOfLog(const KnownOrigins& known);
  Result<void> PutOriginsOfFiles(const KnownOrigins& known);
  // The destination's number of an origin with this id, which is put there if need be. Nothing: it
  // was removed by command.
  Result<std::optional<OriginNumber>> Place(OriginRow origin);
  bool IsLog() const { return source_.kind != WreckKind::kFiles; }
  // Where records of the wreck's origin go, that one incarnation wrote. Nothing: they cannot be
  // placed.
  Result<std::optional<OriginNumber>> DestinationOf(OriginNumber number, Incarnation incarnation,
                                                    const SequenceRange& range);
  Result<std::optional<OriginNumber>> DestinationOf(OriginNumber number);
  Result<void> NoteDivergence(const OriginRow& origin, const OriginRow& same,
                              const KnownOrigins& known);
  // Whose the newest of the rows is that prove themselves.
  void NoteNewest(const RawRow& row);
  // Whether the wreck's own id is that of this origin, where nothing says whose its records are.
  bool IsOwn(OriginNumber number) const;
  static Phase PhaseOf(ObjectKind kind);
  // Of the kind whose phase it is.
  Result<void> TakeObject(const RawRow& row);
  Result<bool> HasAllItNames(const StoredObject& object);
  Result<void> TakeBlock(const RawRow& row);
  Result<void> TakeRecord(const RawRow& row);
  // Makes the record's checksum right by finding its key. False: it is not what was written.
  Result<bool> FindKey(std::int64_t key_number, StoredRecord& record);
  Result<bool> IsStored(OriginNumber origin, Sequence sequence);
  // Records were taken over: which ones, and whose they are, is written with them.
  void NotePlaced(OriginNumber origin, Incarnation incarnation, const RangeSet& sequences);
  Result<void> PutPlaced();
  // What an agent's numbering is said to begin behind would never be delivered.
  Result<void> MoveBeginnings(const KnownOrigins& known);
  // What becomes of one of the wreck's origins: all of it goes to one of the destination, or what
  // is from a divergence on to another.
  struct Part {
    OriginNumber from = 0;
    OriginNumber to = 0;
    SequenceRange range;
  };
  std::vector<Part> Parts() const;
  Result<void> PutDelivered(const Part& part, const RangeSet& present);
  Result<void> PutRemoved(const Part& part, Sequence last);
  Result<void> PutStored(const Part& part, const RangeSet& present);
  // What the wreck says was stored of the part. A wrong end, beyond what there is of it and beyond
  // what so large a file could have, is left out.
  RangeSet Stored(const Part& part, const RangeSet& present) const;
  Result<void> PutParked();
  Result<void> PutRemovedIds();
  Result<void> PutRequests();
  Result<void> PutTotals();
  Result<void> RaiseTotals();
  // Of what was known of the destination's origin.
  KnownOrigin Known(OriginNumber to) const;
  Result<std::vector<SalvageLoss>> Losses();
  Result<std::vector<SalvageLoss>> LossesOfReceiver();

  Writer& writer_;
  Sealer& sealer_;
  RunReader runs_;
  RecordDecoder decoder_;
  SalvageSource source_;
  const Role role_;  // of the spool that it is taken over into
  const WreckTables& tables_;
  Phase phase_ = Phase::kSchemas;
  std::size_t image_ = 0;
  std::size_t rows_ = 0;  // that the step has found
  std::map<OriginNumber, OriginNumber> destinations_;
  std::optional<std::pair<std::int64_t, OriginNumber>> newest_;  // its time, whose it is
  bool begin_again_ = false;                // records that were left out may have a destination now
  std::map<OriginNumber, Sequence> heads_;  // the destination's, before a log was taken over
  std::map<OriginNumber, Divergence> divergences_;  // by the wreck's numbers
  // A number may have been used again: every key that stood under it.
  std::multimap<std::int64_t, ObjectId> keys_;
  // Where they begin, in the destination.
  std::map<std::pair<OriginNumber, Incarnation>, Sequence> incarnations_;
  // In the transaction that is open.
  std::map<std::pair<OriginNumber, Incarnation>, RangeSet> placed_;
  std::map<OriginNumber, RangeSet> not_found_;  // of what a receiver had stored
  std::uint64_t records_ = 0;
};

// Whether the set of files was taken over, by an earlier Finish.
Result<bool> WasSalvaged(Database& database, const std::string& name);

}  // namespace doagent::spool
