// What keeps the spool small: everything here holds the write lock.

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "spool/range_table.h"
#include "spool/spool_impl.h"

namespace doagent::spool {
namespace {

// An event has to fit into a record.
constexpr std::size_t kEventRangesMax = 4096;

// A log is emptied when it has a little more than one MiB.
constexpr std::uintmax_t kLogBytesPinned = 8 << 20;

std::string TakenOver(const Salvage& salvage) {
  return std::to_string(salvage.records()) + " records were taken over from " + salvage.name();
}

}  // namespace

std::vector<OriginExtent> Spool::Impl::Extents() const {
  const std::lock_guard lock(state_mutex_);
  std::vector<OriginExtent> extents;
  for (const auto& [number, state] : states_) {
    OriginExtent extent{number, {}, number != current_};
    if (state.head > 0) extent.complete.Add({1, state.head});
    extents.push_back(std::move(extent));
  }
  return extents;
}

std::vector<Holding> Spool::Impl::Holdings() const {
  const std::lock_guard lock(state_mutex_);
  std::vector<Holding> holdings;
  for (const auto& [number, state] : states_) {
    Holding holding{number, number == current_, state.head, {}};
    if (!local_) {
      holding.delivered = state.delivery.acknowledged();
    } else if (state.head > 0) {
      holding.delivered.Add({1, state.head});
    }
    holdings.push_back(std::move(holding));
  }
  return holdings;
}

std::uint64_t Spool::Impl::Undelivered(OriginNumber origin, RangeSet sequences) const {
  const std::lock_guard lock(state_mutex_);
  if (!local_) {
    const RangeSet delivered = states_.at(origin).delivery.acknowledged();
    for (const auto& range : delivered.ToVector()) sequences.Remove(range);
  }
  return sequences.count();
}

SpoolId Spool::Impl::ForeignId(OriginNumber origin) const {
  const std::lock_guard lock(state_mutex_);
  return origin == current_ ? SpoolId() : states_.at(origin).row.spool_id;
}

std::optional<StoredRecord> Spool::Impl::LossEvent(const Removal& removal, WallTime wall,
                                                   MonoTime mono) const {
  if (removal.kind == RemovalKind::kExpired) return std::nullopt;
  // What they said is in the totals; an event for an event would have no end.
  if (removal.only_events) return std::nullopt;
  const std::uint64_t lost = Undelivered(removal.origin, removal.sequences);
  if (lost == 0) return std::nullopt;
  const bool thinned = removal.kind == RemovalKind::kThinned;
  const Event event{thinned ? EventKind::kThinning : EventKind::kEviction,
                    wall,
                    mono,
                    boot_id_,
                    removal.reason,
                    ForeignId(removal.origin),
                    {removal.range},
                    lost};
  return EncodeEvent(event, incarnation_, NextSequence());
}

Result<bool> Spool::Impl::Retain(WallTime wall, MonoTime mono) {
  DOAGENT_ASSIGN(const auto removal, retention_->Choose(Holdings(), wall, mono));
  if (!removal) return retention_->Vacuum();
  if (retention_->disk_full()) {
    // Blocks take a third of the space: that costs nobody anything.
    for (const OriginExtent& extent : Extents()) {
      const auto sealed = maintenance_->SealBacklog(extent, 1);
      // A block needs pages before its rows give some back: without any, something has to go.
      if (!sealed && sealed.error().code != ErrorCode::kEvict) return Fail(sealed.error());
      if (sealed && *sealed) return true;
    }
  }
  const auto event = LossEvent(*removal, wall, mono);
  const auto removed = Commit(/*acknowledgements_due=*/false, [&]() -> Result<void> {
    DOAGENT_TRY(retention_->Apply(*removal));
    if (!event) return {};
    return writer_->InsertRecord(CurrentNumber(), *event, std::nullopt);
  });
  if (!removed && removed.error().code == ErrorCode::kPark) {
    // A damaged block cannot be thinned, and would be chosen again and again.
    DOAGENT_ASSIGN(const auto damaged,
                   scrubber_->Block(removal->origin, removal->range.first, removed.error()));
    if (damaged) {
      DOAGENT_TRY(SetDamagedAside(*damaged));
      return true;
    }
  }
  DOAGENT_TRY(removed);
  retention_->Applied(*removal);
  if (event) AdvanceHead(event->sequence);
  const std::lock_guard lock(state_mutex_);
  states_.at(removal->origin).delivery.ForgetParked(removal->sequences);
  return true;
}

Result<bool> Spool::Impl::SalvageSome() {
  DOAGENT_ASSIGN(const auto progress, salvager_->Step());
  for (std::string& notice : salvager_->TakeNotices()) Notice(std::move(notice));
  if (progress == Salvager::Progress::kSeen) DOAGENT_TRY(FinishSalvage());
  return progress != Salvager::Progress::kNothing;
}

std::vector<Event> Spool::Impl::SalvageEvents(const std::vector<SalvageLoss>& losses) const {
  const Salvage& salvage = salvager_->current();
  const std::string taken_over = TakenOver(salvage);
  std::vector<Event> events;
  for (const SalvageLoss& loss : losses) {
    const auto ranges = loss.sequences.ToVector();
    std::uint64_t undelivered = loss.undelivered;
    for (std::size_t first = 0; first < ranges.size(); first += kEventRangesMax) {
      Event event = EventNow(EventKind::kSalvageLoss, taken_over + "; these were not in it");
      const auto count = std::min(kEventRangesMax, ranges.size() - first);
      event.ranges.assign(ranges.begin() + static_cast<std::ptrdiff_t>(first),
                          ranges.begin() + static_cast<std::ptrdiff_t>(first + count));
      event.count = std::exchange(undelivered, 0);
      const std::lock_guard lock(state_mutex_);
      if (loss.origin != current_) event.spool_id = loss.spool_id;
      events.push_back(std::move(event));
    }
  }
  const bool unreadable = salvage.Origins().empty();
  // A log that is not this spool's says nothing of it.
  const bool foreign = unreadable && salvage.kind() == WreckKind::kFoundLog;
  if (events.empty() && !foreign) {
    events.push_back(EventNow(EventKind::kSalvageLoss,
                              unreadable ? "nothing could be read from " + salvage.name()
                                         : taken_over + "; none was found to be lost"));
  }
  return events;
}

Result<void> Spool::Impl::FinishSalvage() {
  Sequence last = 0;
  std::string told;
  // First: what is in the wreck of them may be more, and is not to be written over.
  DOAGENT_TRY(Commit(/*acknowledgements_due=*/true, [] { return Result<void>(); }));
  DOAGENT_TRY(Commit(/*acknowledgements_due=*/false, [&]() -> Result<void> {
    DOAGENT_ASSIGN(const auto losses, salvager_->current().Finish());
    last = NextSequence() - 1;
    std::uint64_t lost = 0;
    for (const SalvageLoss& loss : losses) lost += loss.sequences.count();
    for (const Event& event : SalvageEvents(losses)) {
      told = lost == 0 ? event.reason
                       : TakenOver(salvager_->current()) + "; " + std::to_string(lost) +
                             " were not in it";
      DOAGENT_TRY(writer_->InsertRecord(CurrentNumber(), EncodeEvent(event, incarnation_, ++last),
                                        std::nullopt));
    }
    return {};
  }));
  AdvanceHead(last);
  if (!told.empty()) Notice(told);
  const auto touched = salvager_->current().Origins();
  std::erase_if(vanished_,
                [this](const Vanished& one) { return one.name == salvager_->current().name(); });
  known_.erase(salvager_->current().name());
  // Before anything else can fail: nothing is taken over twice.
  salvager_->Done();
  // What somebody wanted forgotten there.
  forget_wanted_ = true;
  auto loaded = LoadStates(writer_->database());
  if (!loaded) {
    // They are loaded when the file is opened again.
    suspect_ = true;
    return Fail(std::move(loaded).error());
  }
  auto& states = *loaded;
  // Nobody notes a hole where a look found nothing that was before this.
  const std::lock_guard read_lock(read_mutex_);
  const std::lock_guard lock(state_mutex_);
  for (const OriginNumber number : touched) {
    const auto found = states.find(number);
    if (found == states.end()) continue;
    states_.insert_or_assign(number, std::move(found->second));
    maintenance_->Look(number);
  }
  ++offers_;
  return {};
}

Result<void> Spool::Impl::TakeOverVanished() {
  // It may have been removed a moment ago: here it is noticed.
  DOAGENT_TRY(Noting(MakeReady()));
  // They come first.
  for (bool more = true; more && !vanished_.empty();) {
    DOAGENT_ASSIGN(more, Noting(SalvageSome()));
  }
  return {};
}

void Spool::Impl::KeepVanished() {
  if (held_.IsGone()) NoteVanished();
  if (vanished_.empty()) return;
  const auto kept = spool::KeepVanished(path_, vanished_);
  if (!kept) {
    return Notice("what was removed is lost if the agent ends before it can be taken over: " +
                  kept.error().Message());
  }
  // Whoever takes it over now does it under its new name.
  suspect_ = true;
  for (const auto& aside : *kept) {
    Notice("what was removed is kept as " + aside.string() + " until it can be taken over");
  }
}

void Spool::Impl::WatchLog() {
  std::error_code none;
  const auto bytes = std::filesystem::file_size(path_.string() + "-wal", none);
  const bool pinned = !none && bytes > (log_pinned_ ? kLogBytesPinned / 2 : kLogBytesPinned);
  if (pinned && !log_pinned_) {
    Notice("the log of the spool has grown to " + std::to_string(bytes >> 20) +
           " MiB: another process keeps reading from it and must end for the log to be emptied");
  }
  log_pinned_ = pinned;
}

Result<void> Spool::Impl::ScrubSome() {
  std::vector<OriginNumber> origins;
  for (const OriginExtent& extent : Extents()) origins.push_back(extent.number);
  DOAGENT_ASSIGN(const auto damaged, scrubber_->Step(origins));
  return damaged ? SetDamagedAside(*damaged) : Result<void>();
}

Result<void> Spool::Impl::SetDamagedAside(const DamagedRecords& damaged) {
  Event event = EventNow(EventKind::kSalvageLoss, "damaged: " + damaged.what);
  event.spool_id = ForeignId(damaged.origin);
  event.ranges = damaged.sequences.ToVector();
  event.ranges.resize(std::min(event.ranges.size(), kEventRangesMax));
  event.count = Undelivered(damaged.origin, damaged.sequences);
  const Sequence sequence = NextSequence();
  DOAGENT_TRY(Commit(/*acknowledgements_due=*/false, [&]() -> Result<void> {
    DOAGENT_TRY(scrubber_->SetAside(damaged, wall_));
    return writer_->InsertRecord(CurrentNumber(), EncodeEvent(event, incarnation_, sequence),
                                 std::nullopt);
  }));
  AdvanceHead(sequence);
  Notice(std::to_string(damaged.sequences.count()) + " records are set aside: " + event.reason);
  return {};
}

Result<void> Spool::Impl::BeginToForget() {
  DOAGENT_ASSIGN(forgetting_, forgetter_->Wanted());
  const std::lock_guard lock(state_mutex_);
  std::erase_if(forgetting_, [this](const OriginRow& row) { return row.number == current_; });
  for (const OriginRow& row : forgetting_) states_.erase(row.number);
  forget_wanted_ = false;
  return {};
}

Result<bool> Spool::Impl::ForgetSome() {
  if (forgetting_.empty()) return false;
  const OriginRow origin = forgetting_.back();
  bool gone = false;
  const Sequence sequence = NextSequence();
  DOAGENT_TRY(Commit(/*acknowledgements_due=*/false, [&]() -> Result<void> {
    DOAGENT_ASSIGN(const auto forgotten, forgetter_->Step(origin));
    gone = forgotten.has_value();
    if (!gone) return {};
    Event event =
        EventNow(EventKind::kEviction, "forgotten by command: host " + origin.host.hostname);
    event.spool_id = origin.spool_id;
    event.count = forgotten->records;
    return writer_->InsertRecord(CurrentNumber(), EncodeEvent(event, incarnation_, sequence),
                                 std::nullopt);
  }));
  if (!gone) return true;
  AdvanceHead(sequence);
  std::erase_if(forgetting_,
                [&origin](const OriginRow& row) { return row.number == origin.number; });
  salvager_->BeginAgain();
  return !forgetting_.empty();
}

void Spool::Impl::SealBacklog() {
  const std::lock_guard lock(write_mutex_);
  // Not the moment: what waits comes first.
  if (!MakeReady() || !queue_.empty()) return;
  Sequence first = 0;
  {
    const std::lock_guard state_lock(state_mutex_);
    const OriginState& current = Current();
    const auto pending =
        current.delivery.settled().NextAbsent(current.row.first_sequence, current.head);
    if (!pending) return;
    first = pending->first;
  }
  for (const OriginExtent& extent : Extents()) {
    if (extent.number == CurrentNumber()) (void)Noting(maintenance_->SealBacklog(extent, first));
  }
}

Result<bool> Spool::Impl::MaintainSome(WallTime wall, MonoTime mono) {
  if (forget_wanted_) DOAGENT_TRY(BeginToForget());
  for (const OriginExtent& extent : Extents()) {
    if (!maintenance_->Due(extent.number, wall)) continue;
    DOAGENT_ASSIGN(const bool sealed, maintenance_->Seal(extent, wall));
    if (sealed) return true;
  }
  DOAGENT_ASSIGN(const bool retained, Retain(wall, mono));
  if (retained) return true;
  DOAGENT_ASSIGN(const bool forgetting, ForgetSome());
  if (forgetting) return true;
  DOAGENT_ASSIGN(const bool salvaging, SalvageSome());
  if (salvaging) return true;
  // Not while objects are taken over that nothing names yet.
  DOAGENT_TRY(maintenance_->Sweep(key_number_));
  DOAGENT_TRY(ScrubSome());
  WatchLog();
  return false;
}

Result<bool> Spool::Impl::Maintain(WallTime wall, MonoTime mono) {
  const std::lock_guard lock(write_mutex_);
  wall_ = wall;
  mono_ = mono;
  const auto flushed = MakeReadyAndFlush();
  const bool no_space = !flushed && flushed.error().code == ErrorCode::kEvict;
  if (!flushed && !(no_space && writer_ && !suspect_)) return Fail(flushed.error());
  // Without space for what waits, eviction may still find some.
  auto more = no_space ? Retain(wall, mono) : MaintainSome(wall, mono);
  if (!more) {
    Error error = Noted(std::move(more).error());
    if (error.code == ErrorCode::kEvict) GiveUpSpace();
    return Fail(std::move(error));
  }
  retention_->KeepRoom();
  return more;
}

}  // namespace doagent::spool
