// The Inbox's state. inbox.cc has the file, the claims and the transaction, inbox_store.cc what
// becomes of a batch, inbox_upkeep.cc what keeps the file small.
#pragma once

#include <tl/expected.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "spool/forget.h"
#include "spool/inbox.h"
#include "spool/lock_file.h"
#include "spool/maintenance.h"
#include "spool/origin_table.h"
#include "spool/record_decoder.h"
#include "spool/reserve_file.h"
#include "spool/retention.h"
#include "spool/run_reader.h"
#include "spool/salvager.h"
#include "spool/scrubber.h"
#include "spool/writer.h"

namespace doagent::spool {

// Notices that are kept for people: nobody may be listening.
inline constexpr std::size_t kNoticesMax = 16;

struct InboxOrigin {
  OriginRow row;
  RangeSet stored;
  bool claimed = false;  // somebody has registered it with this file
  // Openings whose sequences are another history's. Nothing of theirs is stored, not even what
  // would fit in between: they belong under the new spool id that their agent will choose.
  std::set<Incarnation> conflicting;
};

// What one Store call is about to change; becomes the state once it is committed.
struct PendingOrigin {
  InboxOrigin origin;
  RangeSet added;
  std::vector<IncarnationStart> begun;  // what it adds to the origin's incarnations
  std::vector<Sequence> rows;           // that it adds
};

// Why a block is not taken.
struct Refused {
  Refusal refusal = Refusal::kPermanent;
  std::string detail;
  std::vector<ObjectId> missing_objects;
};

class Inbox::Impl {
 public:
  Impl(std::unique_ptr<Writer> writer, ReserveFile& reserve, RunReader runs)
      : writer_(std::move(writer)),
        reserve_(reserve),
        runs_(std::move(runs)),
        decoder_(writer_->objects()) {}

  // log: of this spool, with records that are in it alone; empty: there is none. receiver_id: what
  // the file is to say where it says nothing; zero: a random one. vanished: to be taken over.
  // known: of what was set aside.
  Result<void> Load(const InboxOptions& options, const std::filesystem::path& log,
                    const ReceiverId& receiver_id, std::vector<Vanished>& vanished,
                    const Salvager::Known& known);
  std::vector<KnownOrigin> KnownOrigins() const;
  const ReceiverId& receiver_id() const { return receiver_id_; }
  Writer& writer() { return *writer_; }
  bool nothing_to_take_over() const { return salvager_->empty(); }
  Result<StoredClaim> Register(const Principal& principal, const Claim& claim);
  bool IsClaimed(const SpoolId& spool_id) const {
    const auto found = origins_.find(spool_id);
    return found != origins_.end() && found->second.claimed;
  }
  Result<std::vector<BatchOutcome>> Store(const std::vector<IncomingBatch>& batches, WallTime now);
  Result<bool> Maintain(WallTime now, MonoTime mono);
  // A write found no space: something is evicted from now on.
  void NoteDiskFull() { retention_->NoteDiskFull(); }
  bool disk_full() const { return retention_->disk_full(); }
  std::vector<std::string> TakeNotices() { return std::exchange(notices_, {}); }

 private:
  using Working = std::map<SpoolId, PendingOrigin>;

  Result<void> PutClaim(const Principal& principal, const Claim& claim);
  Result<BatchOutcome> StoreBatch(const IncomingBatch& batch, PendingOrigin& origin);
  Result<void> StoreRecords(const IncomingBatch& batch, PendingOrigin& origin,
                            BatchOutcome& outcome);
  Result<void> StoreBlocks(const IncomingBatch& batch, PendingOrigin& origin,
                           BatchOutcome& outcome);
  // What is wrong with the objects, if anything: what there is in the table is whole, so that every
  // object's dependencies are there.
  Result<std::optional<RefusedRange>> PutIncomingObjects(const IncomingBatch& batch);
  // Stores the record, or says why not; an error is the database's.
  Result<std::optional<RefusedRange>> StoreRecord(const StoredRecord& record,
                                                  PendingOrigin& origin);
  // The same for a block: all of it is stored, or nothing.
  Result<std::optional<Refused>> StoreBlock(const StoredBlock& block, PendingOrigin& origin);
  Result<std::optional<RefusedRange>> CompareWithStored(const StoredRecord& record,
                                                        const PendingOrigin& origin);
  // Whether every snapshot that is stored already is the block's.
  Result<bool> AgreesWithStored(const DecodedBlock& block, const PendingOrigin& origin);
  // Calls visit for what is stored in the range and can be read: with a snapshot, or with null for
  // an event. False: visit returned false, which ends it.
  using StoredVisitor = std::function<bool(Sequence, const Snapshot*)>;
  Result<bool> VisitStored(OriginNumber origin, SequenceRange range, const StoredVisitor& visit);
  // That the incarnation wrote these, none of which is stored. False: another wrote around them.
  static bool NoteIncarnations(Incarnation incarnation, const RangeSet& sequences,
                               PendingOrigin& pending);
  struct Validated {
    Incarnation incarnation = 0;
    std::optional<std::int64_t> key;
    std::optional<RefusedRange> refused;
  };
  Result<Validated> Validate(const StoredRecord& record);
  // The block, decoded; or why it is not taken.
  Result<tl::expected<DecodedBlock, Refused>> Validate(const StoredBlock& block);
  bool TooMuch(const PendingOrigin& origin, std::size_t begun_before) const;
  Result<bool> MaintainSome(WallTime now, MonoTime mono);
  Result<void> WriteOrigins(const Working& working);
  Result<void> LoadOrigins();
  // All of what salvager_ is at has been seen.
  Result<void> FinishSalvage();
  Result<void> FinishLogs();
  void Notice(std::string text);
  // Takes over some more of what was set aside. True: there is more.
  Result<bool> SalvageSome();
  // Removes some of what a tool wants removed. True: there is more.
  Result<bool> ForgetSome();
  // Looks whether some more of what is stored can still be read.
  Result<void> ScrubSome(WallTime now);
  Result<void> SetDamagedAside(const DamagedRecords& damaged, WallTime now);
  Result<void> Remove(const Removal& removal);
  // Removes one thing, if something has to go. True: there may be more.
  Result<bool> Retain(WallTime wall, MonoTime mono);

  std::unique_ptr<Writer> writer_;
  ReserveFile& reserve_;
  RunReader runs_;
  std::unique_ptr<Maintenance> maintenance_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<Salvager> salvager_;
  std::unique_ptr<Scrubber> scrubber_;
  std::unique_ptr<Forgetter> forgetter_;
  RecordDecoder decoder_;
  std::size_t series_decoded_ = 0;  // of the batch that is being stored
  ReceiverId receiver_id_;
  std::map<SpoolId, InboxOrigin> origins_;
  std::vector<std::string> notices_;
};

}  // namespace doagent::spool
