// The agent's spool against a plain model, through random appends, acknowledgements, parking,
// sealing, thinning, eviction, epochs, steps of the clock, clean restarts, crashes and power cuts.
// A crash is a copy of the files as they are at that moment: what kill -9 leaves. A power cut
// leaves what a disk may hold. RC_PARAMS="seed=…", as printed by a failure, runs it again.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <fstream>
#include <map>
#include <memory>
#include <set>

#include "spool/layout.h"
#include "spool/reader.h"
#include "spool/request.h"
#include "spool/spool.h"
#include "tests/support/fault_vfs.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {
namespace {

using test::FaultVfs;
using test::MakeSnapshot;
using test::SameSnapshot;

// Now and then with another schema, which ends the block before it.
Snapshot SnapshotAt(std::uint64_t tick) {
  Snapshot snapshot = MakeSnapshot(tick);
  // The wall clock is years off at times, and steps back and forth.
  if (tick % 31 > 25) snapshot.wall += std::chrono::hours(24 * 400);
  if (tick % 23 > 20) snapshot.wall -= std::chrono::hours(5);
  if (tick % 11 > 7) {
    snapshot.sections.back() = test::MakeSection(test::MakeSchema("second", 4), tick);
  }
  return snapshot;
}

using Name = std::pair<SpoolId, Sequence>;

struct Model {
  // Tick of the snapshot; nothing for an event.
  std::map<Name, std::optional<std::uint64_t>> records;
  std::set<Name> acknowledged;
  std::set<Name> parked;
};

class System {
 public:
  System() {
    vfs_.StartJournal(dir_.path());
    Open();
  }

  void Append() {
    ++tick_;
    const auto sequence = spool_->Append(SnapshotAt(tick_));
    RC_ASSERT(sequence.has_value());
    model_.records[{spool_->spool_id(), *sequence}] = tick_;
    CarryOutRequests();
  }

  void AppendGap() {
    const auto sequence = spool_->Append(EventOf(EventKind::kGap));
    RC_ASSERT(sequence.has_value());
    NoteEvent(*sequence);
    CarryOutRequests();
  }

  void Acknowledge() {
    const SpoolId id = AnyOrigin();
    const Sequence first = *rc::gen::inRange<Sequence>(1, 40);
    const SequenceRange range{first, first + *rc::gen::inRange<Sequence>(0, 10)};
    spool_->Acknowledge(id, receiver_, RangeSet({range}));
    for (Sequence s = range.first; s <= range.last; ++s) {
      if (model_.records.count({id, s}) != 0) model_.acknowledged.insert({id, s});
    }
  }

  void Park() {
    const auto name = AnyRecord();
    const Snapshot now = MakeSnapshot(tick_);
    RC_ASSERT(
        spool_->Park(name.first, RangeSet({{name.second, name.second}}), "test", now.wall, now.mono)
            .has_value());
    CarryOutRequests();
    model_.parked.insert(name);
    NoteEvent(spool_->head());
  }

  void Maintain() {
    const auto more =
        spool_->Maintain(MakeSnapshot(tick_).wall, MakeSnapshot(tick_).mono + mono_shift_);
    RC_ASSERT(more.has_value());
  }

  // The disk is short for a while: what goes is explained, and gone for the model, too.
  void Squeeze() {
    *disk_is_short_ = true;
    mono_shift_ += std::chrono::minutes(1);
    const Sequence head = spool_->head();
    for (int step = *rc::gen::inRange(1, 8); step > 0; --step) Maintain();
    *disk_is_short_ = false;
    // Without a removal nothing was committed.
    if (!RequestsWait()) CarryOutRequests();
    for (Sequence event = head + 1; event <= spool_->head(); ++event) NoteEvent(event);
    std::set<Name> there;
    const auto reader = Reader::Open(path());
    RC_ASSERT(reader.has_value());
    const auto visited = (*reader)->Visit(
        {},
        [&there](const Record& record) {
          there.insert({record.spool_id, record.sequence});
          return true;
        },
        [](const Error& error) { RC_FAIL(error.Message()); });
    RC_ASSERT(visited.has_value());
    const auto gone = [&there](const Name& name) { return there.count(name) == 0; };
    std::erase_if(model_.records, [&gone](const auto& entry) { return gone(entry.first); });
    std::erase_if(model_.acknowledged, gone);
    std::erase_if(model_.parked, gone);
  }

  void RequestRetry() {
    RC_ASSERT(RequestRetryParked(path()).has_value());
    retry_requested_ = true;
  }

  void NewEpoch() {
    const SpoolId old_id = spool_->spool_id();
    const Sequence from = *rc::gen::inRange<Sequence>(1, spool_->head() + 3);
    const Sequence first = std::min(std::max(from, incarnation_first_), spool_->head() + 1);
    const Snapshot now = MakeSnapshot(tick_);
    const auto new_id = spool_->StartNewEpoch(from, "test", now.wall, now.mono);
    RC_ASSERT(new_id.has_value());
    Rename(model_.acknowledged, old_id, *new_id, first);
    Rename(model_.parked, old_id, *new_id, first);
    std::map<Name, std::optional<std::uint64_t>> records;
    for (const auto& [name, tick] : model_.records) {
      const bool moved = name.first == old_id && name.second >= first;
      records[{moved ? *new_id : name.first, name.second}] = tick;
    }
    model_.records = records;
    incarnation_first_ = first;
    NoteEvent(spool_->head());
    CarryOutRequests();
  }

  void Restart() {
    const auto sequence = spool_->Append(EventOf(EventKind::kStop));
    RC_ASSERT(sequence.has_value());
    NoteEvent(*sequence);
    CarryOutRequests();
    spool_.reset();
    Open();
  }

  void Crash() {
    const auto next = dir_.path() / ("crashed-" + std::to_string(++crashes_) + ".db");
    for (const char* suffix : {"", "-wal"}) {
      std::filesystem::copy_file(path().string() + suffix, next.string() + suffix);
    }
    spool_.reset();
    path_ = next;
    vfs_.StartJournal(dir_.path());
    Open();
    ForgetUnwrittenAcknowledgements();
  }

  // The disk then holds one of the things that it may hold.
  void PowerCut() {
    std::vector<FaultVfs::Files> states;
    vfs_.VisitStates(vfs_.journal_size(), 4, ++crashes_,
                     [&states](const FaultVfs::Files& files) { states.push_back(files); });
    const auto& state = states.at(*rc::gen::inRange<std::size_t>(0, states.size()));
    const std::string name = path_.filename().string();
    spool_.reset();
    path_ = dir_.path() / ("cut-" + std::to_string(crashes_) + ".db");
    for (const char* suffix : {"", "-wal"}) {
      const auto content = state.find(name + suffix);
      if (content == state.end()) continue;
      std::ofstream(path_.string() + suffix, std::ios::binary) << content->second;
    }
    vfs_.StartJournal(dir_.path());
    Open();
    ForgetUnwrittenAcknowledgements();
  }

  void Check() {
    CheckPending();
    CheckRecords();
  }

 private:
  // What was not written yet is gone, and only that.
  void ForgetUnwrittenAcknowledgements() {
    for (auto name = model_.acknowledged.begin(); name != model_.acknowledged.end();) {
      if (spool_->Acknowledged(name->first, receiver_).Contains(name->second)) {
        ++name;
      } else {
        name = model_.acknowledged.erase(name);
      }
    }
  }

  const std::filesystem::path& path() const { return path_; }

  static Event EventOf(EventKind kind) {
    const Snapshot now = MakeSnapshot(1);
    return {kind, now.wall, now.mono, now.boot_id, "test", SpoolId(), {}, 0};
  }

  void Open() {
    SpoolOptions options = test::TestSpoolOptions(path_, ++opens_);
    options.key_interval = 4;
    options.seal.snapshots = 5;
    options.retention.expires = false;
    options.retention.disk_free_bytes_min = 1 << 20;
    options.retention.disk_free_bytes = [is_short = disk_is_short_] {
      return std::optional<std::uint64_t>(*is_short ? 0 : std::uint64_t{1} << 40);
    };
    auto spool = Spool::Open(options);
    RC_ASSERT(spool.has_value());
    spool_ = *std::move(spool);
    if (std::exchange(retry_requested_, false)) model_.parked.clear();
    NoteEvent(spool_->head());
    incarnation_first_ = spool_->head();
  }

  void NoteEvent(Sequence sequence) {
    model_.records[{spool_->spool_id(), sequence}] = std::nullopt;
  }

  // The owner sees a request with its next transaction.
  void CarryOutRequests() {
    if (!std::exchange(retry_requested_, false)) return;
    model_.parked.clear();
  }

  bool RequestsWait() const {
    const auto database = OpenForReading(path());
    RC_ASSERT(database.has_value());
    return (*database)->QueryInteger("SELECT count(*) FROM requests").value() != 0;
  }

  static void Rename(std::set<Name>& names, const SpoolId& from, const SpoolId& to,
                     Sequence first) {
    std::set<Name> renamed;
    for (const auto& name : names) {
      const bool moved = name.first == from && name.second >= first;
      renamed.insert({moved ? to : name.first, name.second});
    }
    names = renamed;
  }

  Name AnyRecord() const {
    auto record = model_.records.begin();
    std::advance(record, *rc::gen::inRange<std::size_t>(0, model_.records.size()));
    return record->first;
  }
  SpoolId AnyOrigin() const { return AnyRecord().first; }

  bool Settled(const Name& name) const {
    return model_.acknowledged.contains(name) || model_.parked.contains(name);
  }

  void InsertPending(const SpoolId& id, const RangeSet& sequences, std::set<Name>& pending) const {
    bool any = false;
    for (const auto& [first, last] : sequences.ToVector()) {
      for (Sequence sequence = first; sequence <= last; ++sequence) {
        if (Settled({id, sequence})) continue;
        RC_ASSERT(pending.insert({id, sequence}).second);
        any = true;
      }
    }
    RC_ASSERT(any);
  }

  void CheckPending() {
    std::set<Name> pending;
    const auto claims = spool_->Claims();
    RC_ASSERT(claims.has_value());
    RC_ASSERT(claims->front().current);
    for (const auto& claim : *claims) {
      RangeSet skip;
      for (;;) {
        const auto piece = spool_->NextPending(claim.spool_id, skip, 2000);
        RC_ASSERT(piece.has_value());
        if (piece->empty()) break;
        for (const auto& record : piece->records) {
          RC_ASSERT(pending.insert({claim.spool_id, record.sequence}).second);
        }
        RangeSet sequences = SequencesOf(piece->records);
        if (piece->block) {
          // It comes whole: what of it is settled is not pending.
          sequences = SequencesOf(*piece->block);
          InsertPending(claim.spool_id, sequences, pending);
        }
        skip.Add(sequences);
      }
    }
    std::set<Name> expected;
    for (const auto& [name, tick] : model_.records) {
      if (!Settled(name)) expected.insert(name);
    }
    RC_ASSERT(pending == expected);
  }

  void CheckRecords() {
    const auto reader = Reader::Open(path());
    RC_ASSERT(reader.has_value());
    std::set<Name> seen;
    const auto visited = (*reader)->Visit(
        {},
        [&](const Record& record) {
          const Name name{record.spool_id, record.sequence};
          RC_ASSERT(seen.insert(name).second);
          const auto expected = model_.records.find(name);
          RC_ASSERT(expected != model_.records.end());
          const auto* snapshot = std::get_if<Snapshot>(&record.content);
          RC_ASSERT((snapshot != nullptr) == expected->second.has_value());
          if (snapshot != nullptr) {
            RC_ASSERT(SameSnapshot(*snapshot, SnapshotAt(*expected->second)));
          }
          return true;
        },
        [](const Error& error) { RC_FAIL(error.Message()); });
    RC_ASSERT(visited.has_value());
    RC_ASSERT(seen.size() == model_.records.size());
    const auto status = (*reader)->Status();
    RC_ASSERT(status.has_value());
    for (const auto& origin : status->origins) RC_ASSERT(origin.missing.empty());
  }

  const test::TempDir dir_{test::TempDir::Where::kMemory};
  FaultVfs vfs_;  // before the spool, which is opened through it
  const std::shared_ptr<bool> disk_is_short_ = std::make_shared<bool>(false);
  Nanoseconds mono_shift_{0};
  std::filesystem::path path_ = dir_ / "spool.db";
  const ReceiverId receiver_ = *ReceiverId::FromBytes("receiver-receive");
  std::unique_ptr<Spool> spool_;
  Model model_;
  std::uint64_t tick_ = 0;
  std::uint64_t opens_ = 0;
  Sequence incarnation_first_ = 0;
  bool retry_requested_ = false;
  std::uint64_t crashes_ = 0;
};

RC_GTEST_PROP(SpoolModelTest, BehavesAsThePlainModel, ()) {
  System system;
  const int steps = *rc::gen::inRange(1, 80);
  for (int step = 0; step < steps; ++step) {
    switch (*rc::gen::weightedElement<int>({{12, 0},
                                            {1, 1},
                                            {4, 2},
                                            {2, 3},
                                            {1, 4},
                                            {1, 5},
                                            {1, 6},
                                            {2, 7},
                                            {6, 8},
                                            {1, 9},
                                            {2, 10}})) {
      case 0: system.Append(); break;
      case 1: system.AppendGap(); break;
      case 2: system.Acknowledge(); break;
      case 3: system.Park(); break;
      case 4: system.RequestRetry(); break;
      case 5: system.NewEpoch(); break;
      case 6: system.Restart(); break;
      case 7: system.Crash(); break;
      case 8: system.Maintain(); break;
      case 9: system.PowerCut(); break;
      case 10: system.Squeeze(); break;
    }
  }
  system.Check();
}

}  // namespace
}  // namespace doagent::spool
