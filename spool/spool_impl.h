// The Spool's state and how its threads share it. spool_append.cc has the writing,
// spool_delivery.cc what the uploader asks for, spool_maintain.cc what keeps the file small,
// spool.cc the opening and the facade.
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

#include "spool/delivery.h"
#include "spool/lock_file.h"
#include "spool/maintenance.h"
#include "spool/object_table.h"
#include "spool/origin_table.h"
#include "spool/record_codec.h"
#include "spool/record_table.h"
#include "spool/retention.h"
#include "spool/run_reader.h"
#include "spool/spool.h"
#include "spool/writer.h"

namespace doagent::spool {

struct OriginState {
  OriginRow row;
  Sequence head = 0;
  Delivery delivery;
};

using Unwritten = std::map<OriginNumber, std::map<ReceiverId, RangeSet>>;

// Locks are taken in the order write, read, state; the state lock is never held across SQL.
class Spool::Impl {
 public:
  Impl(const SpoolOptions& options, LockFile lock, std::unique_ptr<Writer> writer)
      : path_(options.path),
        boot_id_(options.boot_id),
        key_interval_(options.key_interval),
        local_(options.local),
        random_(options.random),
        lock_(std::move(lock)),
        writer_(std::move(writer)) {}

  Result<void> Begin(const SpoolOptions& options);

  Result<Sequence> Append(const Snapshot& snapshot);
  Result<Sequence> Append(const Event& event);
  Result<bool> Maintain(WallTime wall, MonoTime mono);
  Result<std::vector<Claim>> Claims();
  Result<PendingRecords> NextPending(const SpoolId& spool_id, const RangeSet& skip,
                                     std::size_t bytes_max);
  Result<PendingRecords> Read(const SpoolId& spool_id, SequenceRange range);
  Result<std::vector<StoredObject>> Objects(const std::vector<ObjectId>& ids);
  void Acknowledge(const SpoolId& spool_id, const ReceiverId& receiver, const RangeSet& ranges);
  RangeSet Acknowledged(const SpoolId& spool_id, const ReceiverId& receiver) const;
  Result<void> Unacknowledge(const SpoolId& spool_id, const ReceiverId& receiver,
                             const RangeSet& ranges);
  Result<void> Park(const SpoolId& spool_id, const RangeSet& sequences, const std::string& reason,
                    WallTime wall, MonoTime mono);
  Result<SpoolId> StartNewEpoch(Sequence from, const std::string& reason, WallTime wall,
                                MonoTime mono);
  void OnAppend(std::function<void()> callback);
  SpoolId spool_id() const;
  Sequence head() const;
  const std::filesystem::path& path() const { return path_; }

 private:
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
  Result<Sequence> AppendRecord(const StoredRecord& record,
                                const std::vector<StoredObject>& objects,
                                bool acknowledgements_due);
  Result<void> PutObjectsAndInsert(OriginNumber origin, const StoredRecord& record,
                                   const std::vector<StoredObject>& objects);
  Result<void> InsertEpoch(const OriginRow& old_row, const StoredRecord& event, Sequence from,
                           OriginRow& new_row);
  void AdvanceHead(Sequence head);
  std::vector<OriginExtent> Extents() const;
  std::vector<Holding> Holdings() const;
  // Removes one thing, if something has to go. True: there may be more.
  Result<bool> Retain(WallTime wall, MonoTime mono);
  std::optional<StoredRecord> LossEvent(const Removal& removal, WallTime wall, MonoTime mono) const;

  const std::filesystem::path path_;
  const BootId boot_id_;
  const int key_interval_;
  const bool local_;
  const std::function<std::uint64_t()> random_;
  LockFile lock_;

  std::mutex write_mutex_;  // guards what follows, up to the next one
  std::unique_ptr<Writer> writer_;
  std::optional<RowEncoder> encoder_;
  std::optional<std::int64_t> key_number_;  // of the rows being written
  Incarnation incarnation_ = 0;
  int appends_since_acknowledgements_ = 0;
  std::int64_t seen_data_version_ = 0;
  std::unique_ptr<Maintenance> maintenance_;
  std::unique_ptr<Retention> retention_;

  std::mutex read_mutex_;  // guards the next three
  std::unique_ptr<Database> read_database_;
  std::optional<RunReader> runs_;
  std::optional<ObjectTable> objects_;

  mutable std::mutex state_mutex_;  // guards the rest
  std::map<OriginNumber, OriginState> states_;
  OriginNumber current_ = 0;
  std::function<void()> on_append_;
};

}  // namespace doagent::spool
