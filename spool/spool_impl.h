// The Spool's state and how its threads share it. spool_append.cc has the writing,
// spool_delivery.cc what the uploader asks for, spool_maintain.cc what keeps the file small,
// spool_file.cc the file itself: opened, opened again, replaced; spool.cc the facade.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "spool/append_queue.h"
#include "spool/delivery.h"
#include "spool/forget.h"
#include "spool/held_file.h"
#include "spool/lock_file.h"
#include "spool/maintenance.h"
#include "spool/object_table.h"
#include "spool/opening.h"
#include "spool/origin_table.h"
#include "spool/owned_file.h"
#include "spool/record_codec.h"
#include "spool/record_table.h"
#include "spool/retention.h"
#include "spool/run_reader.h"
#include "spool/salvager.h"
#include "spool/scrubber.h"
#include "spool/spool.h"
#include "spool/writer.h"

namespace doagent::spool {

struct OriginState {
  OriginRow row;
  Sequence head = 0;
  Delivery delivery;
};

// Everything that is known of the origins in the file.
Result<std::map<OriginNumber, OriginState>> LoadStates(Database& database);

// A failed commit may have reached the disk: the name under which what comes next may have been
// stored already. That is the first record that waits or was dropped; or the gap event for as many
// dropped ones.
struct Tried {
  SpoolId spool_id;
  Sequence sequence = 0;
  std::uint64_t dropped = 0;  // 0: a record
};

using Unwritten = std::map<OriginNumber, std::map<ReceiverId, RangeSet>>;

// Locks are taken in the order write, read, state; the state lock is never held across SQL.
class Spool::Impl {
 public:
  Impl(const SpoolOptions& options, LockFile lock)
      : options_(options),
        path_(options.path),
        boot_id_(options.boot_id),
        local_(options.local),
        lock_(std::move(lock)),
        reserve_(options.path, options.retention.bytes_max),
        held_(options.path),
        wall_(options.wall),
        mono_(options.mono) {}
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // REQUIRES to be called once, before anything else.
  Result<void> Begin();

  Result<Sequence> Append(const Snapshot& snapshot);
  Result<Sequence> Append(const Event& event);
  Result<bool> Maintain(WallTime wall, MonoTime mono);
  Result<std::vector<Claim>> Claims();
  Result<PendingRecords> NextPending(const SpoolId& spool_id, const RangeSet& skip,
                                     std::size_t bytes_max);
  Result<PendingRecords> Read(const SpoolId& spool_id, SequenceRange range);
  Result<std::vector<StoredObject>> Objects(const std::vector<ObjectId>& ids);
  void SealBacklog();
  void Acknowledge(const SpoolId& spool_id, const ReceiverId& receiver, const RangeSet& ranges);
  RangeSet Acknowledged(const SpoolId& spool_id, const ReceiverId& receiver) const;
  ReceiverId LatestReceiver() const;
  Result<void> Unacknowledge(const SpoolId& spool_id, const ReceiverId& receiver,
                             const RangeSet& ranges);
  Result<void> Park(const SpoolId& spool_id, const RangeSet& sequences, const std::string& reason,
                    WallTime wall, MonoTime mono);
  Result<SpoolId> StartNewEpoch(Sequence from, const std::string& reason, WallTime wall,
                                MonoTime mono);
  void OnAppend(std::function<void()> callback);
  SpoolId spool_id() const;
  std::uint64_t offers() const;
  Sequence head() const;
  const std::filesystem::path& path() const { return path_; }
  std::size_t waiting() const;
  bool holds_removed_file() const;
  SpoolStats Stats();
  std::vector<std::string> TakeNotices();

 private:
  // The oldest record of any origin that is pending, if it can be read.
  std::optional<WallTime> OldestPending(
      const std::vector<std::pair<OriginNumber, Sequence>>& firsts);
  Result<void> LoadTotals(std::vector<LedgerTotal>& totals);
  OriginState& Current() { return states_.at(current_); }
  OriginState* Find(const SpoolId& spool_id);
  const OriginState* Find(const SpoolId& spool_id) const;
  Sequence NextSequence() const;
  OriginNumber CurrentNumber() const;
  void PutParkedBack();
  Unwritten TakeUnwritten();
  void GiveBack(const Unwritten& unwritten);
  Result<void> WriteAcknowledgements(const Unwritten& unwritten);
  // One transaction around `body`, which inserts; with due acknowledgements and waiting requests.
  Result<void> Commit(bool acknowledgements_due, const std::function<Result<void>()>& body);
  Result<void> StoreOne(const Snapshot& snapshot, Sequence sequence);
  Result<void> StoreOne(const Event& event, Sequence sequence);
  // Stores it under the next sequence, with all that can be done about a file that does not take
  // it. kRefuse: no file would take it.
  template <typename Record>
  Result<Sequence> Store(const Record& record);
  template <typename Record>
  Result<Sequence> AppendAny(const Record& record);
  Result<void> StoreDropped();
  // What was tried, if it turns out to be stored; once. REQUIRES MakeReady.
  std::optional<Tried> TakeTriedIfStored();
  // REQUIRES that the commit under this sequence has failed.
  void NoteTried(const Error& error, Sequence sequence, std::uint64_t dropped);
  bool GiveUpSpace();
  // Stores what waits in memory, as far as possible.
  Result<void> Flush();
  Result<void> PutObjectsAndInsert(OriginNumber origin, const StoredRecord& record,
                                   const std::vector<StoredObject>& objects);
  Result<void> InsertEpoch(const OriginRow& old_row, const StoredRecord& event, Sequence from,
                           OriginRow& new_row);
  void AdvanceHead(Sequence head);
  // Reads through the reading connection, if there is one at the moment; notes what is damaged.
  // REQUIRES the read lock.
  template <typename Work>
  auto Reading(const Work& work) -> decltype(work());
  std::vector<OriginExtent> Extents() const;
  std::vector<Holding> Holdings() const;
  // Removes one thing, if something has to go. True: there may be more.
  Result<bool> Retain(WallTime wall, MonoTime mono);
  std::optional<StoredRecord> LossEvent(const Removal& removal, WallTime wall, MonoTime mono) const;
  // Takes over some more of what was set aside. True: there is more.
  Result<bool> SalvageSome();
  Result<void> FinishSalvage();
  Result<void> FinishLogs();
  // At once, for a stop: nobody else can.
  Result<void> TakeOverVanished();
  // What is in no file that has a name gets one. REQUIRES that it cannot be taken over now.
  void KeepVanished();
  std::vector<Event> SalvageEvents(const std::vector<SalvageLoss>& losses) const;
  // The origins that a tool wants removed are nobody's from now on.
  Result<void> BeginToForget();
  // Removes some of them. True: there is more.
  Result<bool> ForgetSome();
  // Looks whether some more of what is stored can still be read.
  Result<void> ScrubSome();
  // With an event that says so.
  Result<void> SetDamagedAside(const DamagedRecords& damaged);
  // The id by which an event names the origin: zero for its own.
  SpoolId ForeignId(OriginNumber origin) const;
  // How many of them no receiver has.
  std::uint64_t Undelivered(OriginNumber origin, RangeSet sequences) const;
  Result<bool> MaintainSome(WallTime wall, MonoTime mono);
  void Notice(std::string text);
  // Says so when somebody keeps the log from being emptied, and when that is over.
  void WatchLog();
  Event EventNow(EventKind kind, std::string reason) const;

  // spool_file.cc
  Result<void> OpenOrMakeNew();
  Result<void> OpenFile(OwnedFile owned);
  Result<void> UseFile(OwnedFile owned);
  Result<void> PrepareUpkeep();
  Result<Opening> WriteBeginning();
  Result<void> OpenForReadingToo();
  void CloseFile(bool leave_log);
  // What has to be done before something can be written: the file is there, is the one that was
  // opened, and what was written to it is known to be on the disk.
  Result<void> MakeReady();
  Result<void> MakeFileReady();
  // The same, with nothing waiting in memory: for what must come behind it.
  Result<void> MakeReadyAndFlush();
  Result<void> Reopen();
  Result<void> ReopenFile();
  Result<void> ReplaceFile(const std::string& why);
  std::vector<KnownOrigin> KnownOrigins() const;
  // What is held, and has no name any more, is to be taken over.
  void NoteVanished();
  Result<void> ReplaceVanished();
  // Remembers what an error asks for. Gives it back.
  Error Noted(Error error);
  template <typename T>
  Result<T> Noting(Result<T> result) {
    if (!result) return Fail(Noted(std::move(result).error()));
    return result;
  }

  const SpoolOptions options_;
  const std::filesystem::path path_;
  const BootId boot_id_;
  const bool local_;
  LockFile lock_;

  mutable std::mutex write_mutex_;  // guards what follows, up to the next one
  ReserveFile reserve_;
  HeldFile held_;                   // before the connections: it must go after them
  std::unique_ptr<Writer> writer_;  // none: the file could not be opened again
  AppendQueue queue_;
  std::optional<Tried> tried_;
  bool begun_ = false;             // the file at the path is this incarnation's, and all is set up
  std::filesystem::path log_due_;  // a log of this very file, set aside, that is to be taken over
  std::string beginning_due_;  // why the next one has to be under a new spool id; empty: need not
  bool suspect_ = false;       // a write failed: what is on the disk is not known
  bool log_pinned_ = false;
  std::string damage_;  // what is wrong with the file; empty: nothing known
  WallTime wall_;       // of what was appended last
  MonoTime mono_;
  std::optional<RowEncoder> encoder_;
  std::optional<std::int64_t> key_number_;  // of the rows being written
  Incarnation incarnation_ = 0;
  int appends_since_acknowledgements_ = 0;
  std::int64_t seen_data_version_ = 0;
  std::unique_ptr<Maintenance> maintenance_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<Salvager> salvager_;
  std::unique_ptr<Scrubber> scrubber_;
  std::unique_ptr<Forgetter> forgetter_;
  bool forget_wanted_ = false;         // there are requests of that kind
  std::vector<OriginRow> forgetting_;  // to be removed; already out of the states
  std::vector<Vanished> vanished_;     // until they are taken over
  Salvager::Known known_;              // of files that were replaced while they were written

  std::mutex read_mutex_;  // guards the next three
  std::unique_ptr<Database> read_database_;
  std::optional<RunReader> runs_;
  std::optional<ObjectTable> objects_;

  mutable std::mutex state_mutex_;  // guards the rest
  std::map<OriginNumber, OriginState> states_;
  OriginNumber current_ = 0;
  std::uint64_t offers_ = 0;
  std::function<void()> on_append_;
  std::string damage_seen_;  // by a reader; for the next append
  std::vector<std::string> notices_;
  std::size_t waiting_ = 0;
};

}  // namespace doagent::spool
