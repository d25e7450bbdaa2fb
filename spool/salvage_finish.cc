// What a salvage takes over once it has seen all records: delivery, removals, totals; and what it
// did not find.

#include <algorithm>
#include <map>
#include <utility>

#include "spool/explained.h"
#include "spool/forget.h"
#include "spool/salvage.h"
#include "spool/stored_events.h"

namespace doagent::spool {
namespace {

// That fit into a page, by far.
constexpr std::uint64_t kRecordsPerPageMax = 1024;

std::string MarkOf(const std::string& name) {
  return std::string(kSalvagedMark) + name;
}

}  // namespace

Result<bool> WasSalvaged(Database& database, const std::string& name) {
  DOAGENT_ASSIGN(const auto mark, LoadMetaInteger(database, MarkOf(name)));
  return mark.has_value();
}

std::vector<Salvage::Part> Salvage::Parts() const {
  std::vector<Part> parts;
  for (const auto& [from, to] : destinations_) {
    const auto found = divergences_.find(from);
    if (found == divergences_.end()) {
      parts.push_back({from, to, {1, kSequenceMax}});
      continue;
    }
    const auto& [number, divergence] = *found;
    if (divergence.at > 1) parts.push_back({from, to, {1, divergence.at - 1}});
    if (divergence.other.number == 0) continue;
    parts.push_back({from, divergence.other.number, {divergence.at, kSequenceMax}});
  }
  return parts;
}

Result<void> Salvage::PutDelivered(const Part& part, const RangeSet& present) {
  // A wrong end must not hide what is still to be delivered.
  const Sequence last = std::min(part.range.last, present.last());
  if (last < part.range.first) return {};
  Database& database = writer_.database();
  DOAGENT_ASSIGN(auto delivered, LoadDelivered(database));
  for (const auto& [key, ranges] : tables_.delivered) {
    const auto receiver = tables_.receivers.find(key.second);
    if (key.first != part.from || receiver == tables_.receivers.end()) continue;
    DOAGENT_ASSIGN(const ReceiverNumber number, PutReceiver(database, receiver->second));
    RangeSet& all = delivered[{part.to, number}];
    all.Add(RangeSet(ranges.Within({part.range.first, last})));
    DOAGENT_TRY(ReplaceDelivered(database, part.to, number, all));
  }
  return {};
}

Result<void> Salvage::PutRemoved(const Part& part, Sequence last) {
  last = std::min(last, part.range.last);
  if (last < part.range.first) return {};
  Database& database = writer_.database();
  for (const auto& [key, ranges] : tables_.removed) {
    if (key.first != part.from) continue;
    DOAGENT_TRY(AddRemoved(database, part.to, static_cast<RemovalKind>(key.second),
                           RangeSet(ranges.Within({part.range.first, last}))));
  }
  const auto thinned = tables_.thinned.find(part.from);
  if (thinned == tables_.thinned.end()) return {};
  for (ThinnedRange one : thinned->second) {
    if (one.range.last < part.range.first || one.range.first > last) continue;
    const std::uint64_t before = one.range.count();
    one.range = {std::max(one.range.first, part.range.first), std::min(one.range.last, last)};
    // What was taken from the part that is cut off is not known: rather too much counts as lost.
    const std::uint64_t cut = before - one.range.count();
    one.records -= std::min(one.records, cut);
    if (one.records == 0) continue;
    // What the destination knows of it may have come from the same removals.
    DOAGENT_ASSIGN(const ThinnedRange known, TakeThinned(database, part.to, one.range));
    one = {known.range, std::max(one.records, known.records)};
    DOAGENT_TRY(AddThinned(database, part.to, one));
  }
  return {};
}

RangeSet Salvage::Stored(const Part& part, const RangeSet& present) const {
  const auto found = tables_.stored.find(part.from);
  if (found == tables_.stored.end()) return {};
  RangeSet stored(found->second.Within(part.range));
  const Sequence last = present.empty() ? 0 : present.last();
  if (stored.empty() || stored.last() <= last) return stored;
  const RangeSet tail(stored.Within({last + 1, stored.last()}));
  if (tail.count() / kRecordsPerPageMax > source_.wreck->images()) {
    stored.Remove({last + 1, stored.last()});
  }
  return stored;
}

Result<void> Salvage::PutStored(const Part& part, const RangeSet& present) {
  Database& database = writer_.database();
  RangeSet gone = Stored(part, present);  // had been stored, and is not there
  for (const auto& range : present.ToVector()) gone.Remove(range);
  RangeSet explained;
  DOAGENT_ASSIGN(const auto removed, LoadRemoved(database));
  for (const auto& [key, ranges] : removed) {
    if (key.first != part.to) continue;
    for (const auto& range : ranges.ToVector()) explained.Add(RangeSet(gone.Within(range)));
  }
  // What is lost counts as never stored: agents that still have it send it again.
  RangeSet lost = gone;
  for (const auto& range : explained.ToVector()) lost.Remove(range);
  not_found_[part.to].Add(lost);
  DOAGENT_ASSIGN(auto stored, LoadStored(database));
  RangeSet& all = stored[part.to];
  all.Add(present);
  all.Add(explained);
  return WriteStored(database, part.to, all, all);
}

Result<void> Salvage::PutParked() {
  DOAGENT_ASSIGN(Statement insert,
                 writer_.database().Prepare("INSERT OR IGNORE INTO parked"
                                            "(id, parked_unix_ms, reason) VALUES(?, ?, ?)"));
  const auto parts = Parts();
  for (const ParkedRow& parked : tables_.parked) {
    const Sequence sequence = SequenceOf(parked.id);
    const auto part = std::find_if(parts.begin(), parts.end(), [&](const Part& one) {
      return one.from == OriginOf(parked.id) && one.range.first <= sequence &&
             sequence <= one.range.last;
    });
    if (part == parts.end()) continue;
    DOAGENT_ASSIGN(const bool stored, IsStored(part->to, sequence));
    if (!stored) continue;
    DOAGENT_TRY(
        insert.Bind(PackId(part->to, sequence), parked.parked_unix_ms, parked.reason).Run());
  }
  return {};
}

Result<void> Salvage::PutRemovedIds() {
  if (tables_.removed_ids.empty()) return {};
  // Those that have come again since stay.
  auto gone = tables_.removed_ids;
  DOAGENT_ASSIGN(const auto known, LoadOrigins(writer_.database()));
  for (const OriginRow& row : known) gone.erase(row.spool_id);
  for (const SpoolId& spool_id : gone) DOAGENT_TRY(MarkRemoved(writer_.database(), spool_id));
  return {};
}

Result<void> Salvage::PutRequests() {
  DOAGENT_ASSIGN(Statement insert,
                 writer_.database().Prepare("INSERT INTO requests(kind, argument) SELECT ?1, ?2 "
                                            "WHERE NOT EXISTS(SELECT 1 FROM requests "
                                            "WHERE kind = ?1 AND argument = ?2)"));
  for (const SpoolId& spool_id : tables_.forget_wanted) {
    DOAGENT_ASSIGN(const auto there, FindOrigin(writer_.database(), spool_id));
    if (there) DOAGENT_TRY(insert.Bind(std::string(kForgetRequest), spool_id.Hex()).Run());
  }
  return {};
}

Result<void> Salvage::PutTotals() {
  if (!source_.totals) return {};
  for (const LedgerRow& row : tables_.ledger) {
    // Origin 0 has what was removed by command.
    const auto origin = destinations_.find(row.origin);
    const bool known = row.origin == 0 || origin != destinations_.end();
    const bool possible = row.kind > 0 && row.kind < 64 && row.events >= 0 && row.records >= 0;
    if (!known || !possible) continue;
    DOAGENT_TRY(writer_.AddTotals(
        row.origin == 0 ? 0 : origin->second, static_cast<EventKind>(row.kind),
        static_cast<std::uint64_t>(row.events), static_cast<std::uint64_t>(row.records)));
  }
  return {};
}

Result<void> Salvage::RaiseTotals() {
  // Where there are some, they have these events in them: perhaps as another origin's.
  if (!source_.totals || !tables_.ledger.empty()) return {};
  struct Total {
    std::uint64_t events = 0;
    std::uint64_t records = 0;
  };
  for (const OriginNumber origin : Origins()) {
    std::map<EventKind, Total> totals;
    DOAGENT_TRY(VisitEvents(runs_, origin, [&totals](const Event& event) {
      Total& total = totals[event.kind];
      ++total.events;
      total.records += std::min(event.count, kSequenceMax);
    }));
    for (const auto& [kind, total] : totals) {
      DOAGENT_TRY(writer_.RaiseTotals(origin, kind, total.events, total.records));
    }
  }
  return {};
}

KnownOrigin Salvage::Known(OriginNumber to) const {
  KnownOrigin known;
  for (const Part& part : Parts()) {
    if (part.to != to) continue;
    for (const KnownOrigin& one : source_.known) {
      if (one.row.number != part.from) continue;
      known.stored.Add(RangeSet(one.stored.Within(part.range)));
      known.acknowledged.Add(RangeSet(one.acknowledged.Within(part.range)));
    }
  }
  return known;
}

Result<std::vector<SalvageLoss>> Salvage::Losses() {
  if (role_ == Role::kReceiver) return LossesOfReceiver();
  DOAGENT_ASSIGN(auto explained, LoadExplained(writer_.database(), runs_, role_));
  DOAGENT_ASSIGN(const auto delivered, LoadDelivered(writer_.database()));
  DOAGENT_ASSIGN(const auto rows, LoadOrigins(writer_.database()));
  const auto touched = Origins();
  std::vector<SalvageLoss> losses;
  for (const OriginRow& row : rows) {
    if (std::find(touched.begin(), touched.end(), row.number) == touched.end()) continue;
    DOAGENT_ASSIGN(const RangeSet there, runs_.Sequences(row.number));
    const KnownOrigin known = Known(row.number);
    RangeSet all = known.stored;
    all.Add(there);
    if (all.empty()) continue;
    all.Add({std::clamp<Sequence>(row.first_sequence, 1, all.first()), all.last()});
    const RangeSet absent(there.AbsentWithin({all.first(), all.last()}));
    Explained& told = explained[row.spool_id];
    told.KeepAbsent(absent);
    // Of what was thinned, events may know more than the wreck's table.
    DOAGENT_TRY(ReplaceThinned(writer_.database(), row.number, told.thinned));
    SalvageLoss loss{row.number, row.spool_id, told.Unexplained(absent), 0};
    if (loss.sequences.empty()) continue;
    RangeSet undelivered = loss.sequences;
    for (const auto& range : known.acknowledged.ToVector()) undelivered.Remove(range);
    for (const auto& [key, ranges] : delivered) {
      if (key.first != row.number) continue;
      for (const auto& range : ranges.ToVector()) undelivered.Remove(range);
    }
    loss.undelivered = undelivered.count();
    losses.push_back(std::move(loss));
  }
  return losses;
}

Result<std::vector<SalvageLoss>> Salvage::LossesOfReceiver() {
  DOAGENT_ASSIGN(const auto rows, LoadOrigins(writer_.database()));
  std::vector<SalvageLoss> losses;
  for (const OriginRow& row : rows) {
    const auto found = not_found_.find(row.number);
    if (found == not_found_.end() || found->second.empty()) continue;
    losses.push_back({row.number, row.spool_id, found->second, found->second.count()});
  }
  return losses;
}

Result<std::vector<SalvageLoss>> Salvage::Finish() {
  const bool on_receiver = role_ == Role::kReceiver;
  for (const Part& part : Parts()) {
    DOAGENT_ASSIGN(const RangeSet present, runs_.Sequences(part.to));
    // A spool knows itself what was removed from it, and whom it has delivered to.
    if (!IsLog() && !present.empty()) DOAGENT_TRY(PutDelivered(part, present));
    if (!IsLog() && (on_receiver || !present.empty())) {
      RangeSet known = present;
      if (on_receiver) known.Add(Stored(part, present));
      DOAGENT_TRY(PutRemoved(part, known.empty() ? 0 : known.last()));
    }
    if (on_receiver) DOAGENT_TRY(PutStored(part, present));
  }
  if (!IsLog()) {
    DOAGENT_TRY(PutParked());
    DOAGENT_TRY(PutTotals());
    // The wreck's totals may be among what is lost.
    DOAGENT_TRY(RaiseTotals());
    // What it had taken over has come with it.
    for (const std::string& name : tables_.salvaged) {
      DOAGENT_TRY(StoreMetaInteger(writer_.database(), MarkOf(name), 0));
    }
    DOAGENT_TRY(PutRemovedIds());
    DOAGENT_TRY(PutRequests());
  }
  DOAGENT_TRY(StoreMetaInteger(writer_.database(), MarkOf(source_.name),
                               static_cast<std::int64_t>(records_)));
  // What is lost of it is in the totals of the wreck that had taken it over.
  if (!source_.totals) return std::vector<SalvageLoss>();
  return Losses();
}

}  // namespace doagent::spool
