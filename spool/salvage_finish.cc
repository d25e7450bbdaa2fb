// What a salvage takes over once it has seen all records: delivery, removals, totals; and what it
// did not find.

#include <algorithm>
#include <utility>

#include "spool/explained.h"
#include "spool/salvage.h"

namespace doagent::spool {
namespace {

std::string MarkOf(const std::string& name) {
  return "salvaged:" + name;
}

}  // namespace

Result<bool> WasSalvaged(Database& database, const std::string& name) {
  DOAGENT_ASSIGN(const auto mark, LoadMetaInteger(database, MarkOf(name)));
  return mark.has_value();
}

Result<void> Salvage::PutIncarnations(OriginNumber origin) {
  DOAGENT_ASSIGN(const auto rows, LoadOrigins(writer_.database()));
  for (const OriginRow& row : rows) {
    if (row.number != origin) continue;
    for (const auto& entry : incarnations_) {
      const IncarnationStart begun{entry.first.second, entry.second};
      if (entry.first.first != origin) continue;
      const bool known = std::any_of(row.incarnations.begin(), row.incarnations.end(),
                                     [&begun](const IncarnationStart& start) {
                                       return start.incarnation == begun.incarnation &&
                                              start.first_sequence <= begun.first_sequence;
                                     });
      if (!known) DOAGENT_TRY(PutIncarnation(writer_.database(), origin, begun));
    }
  }
  return {};
}

Result<void> Salvage::PutRanges(OriginNumber from, OriginNumber to, const RangeSet& present) {
  Database& database = writer_.database();
  DOAGENT_ASSIGN(auto delivered, LoadDelivered(database));
  for (const auto& [key, ranges] : tables_.delivered) {
    const auto receiver = tables_.receivers.find(key.second);
    if (key.first != from || receiver == tables_.receivers.end()) continue;
    DOAGENT_ASSIGN(const ReceiverNumber number, PutReceiver(database, receiver->second));
    RangeSet& all = delivered[{to, number}];
    // A wrong end must not hide what is still to be delivered.
    for (const auto& range : ranges.Within({1, present.last()})) all.Add(range);
    DOAGENT_TRY(ReplaceDelivered(database, to, number, all));
  }
  DOAGENT_ASSIGN(auto removed, LoadRemoved(database));
  for (const auto& [key, ranges] : tables_.removed) {
    if (key.first != from) continue;
    RangeSet& all = removed[{to, key.second}];
    RangeSet added;
    for (const auto& range : ranges.Within({1, present.last()})) added.Add(range);
    all.Add(added);
    DOAGENT_TRY(WriteRemoved(database, to, key.second, all, added));
  }
  return role_ == Role::kReceiver ? PutStored(from, to, present) : Result<void>();
}

Result<void> Salvage::PutStored(OriginNumber from, OriginNumber to, const RangeSet& present) {
  Database& database = writer_.database();
  RangeSet gone;  // had been stored, and is not there
  if (const auto found = tables_.stored.find(from); found != tables_.stored.end()) {
    gone = RangeSet(found->second.Within({1, present.last()}));
  }
  for (const auto& range : present.ToVector()) gone.Remove(range);
  RangeSet explained;
  DOAGENT_ASSIGN(const auto removed, LoadRemoved(database));
  for (const auto& [key, ranges] : removed) {
    if (key.first != to) continue;
    for (const auto& range : ranges.ToVector()) explained.Add(RangeSet(gone.Within(range)));
  }
  // What is lost counts as never stored: agents that still have it send it again.
  RangeSet lost = gone;
  for (const auto& range : explained.ToVector()) lost.Remove(range);
  not_found_[to] = std::move(lost);
  DOAGENT_ASSIGN(auto stored, LoadStored(database));
  RangeSet& all = stored[to];
  all.Add(present);
  all.Add(explained);
  return WriteStored(database, to, all, all);
}

Result<void> Salvage::PutParked() {
  DOAGENT_ASSIGN(Statement insert,
                 writer_.database().Prepare("INSERT OR IGNORE INTO parked"
                                            "(id, parked_unix_ms, reason) VALUES(?, ?, ?)"));
  for (const ParkedRow& parked : tables_.parked) {
    const auto origin = destinations_.find(OriginOf(parked.id));
    if (origin == destinations_.end()) continue;
    const Sequence sequence = SequenceOf(parked.id);
    DOAGENT_ASSIGN(const bool stored, IsStored(origin->second, sequence));
    if (!stored) continue;
    DOAGENT_TRY(
        insert.Bind(PackId(origin->second, sequence), parked.parked_unix_ms, parked.reason).Run());
  }
  return {};
}

Result<void> Salvage::PutTotals() {
  for (const LedgerRow& row : tables_.ledger) {
    const auto origin = destinations_.find(row.origin);
    const bool possible = row.kind > 0 && row.kind < 64 && row.events >= 0 && row.records >= 0;
    if (origin == destinations_.end() || !possible) continue;
    DOAGENT_TRY(writer_.AddTotals(origin->second, static_cast<EventKind>(row.kind),
                                  static_cast<std::uint64_t>(row.events),
                                  static_cast<std::uint64_t>(row.records)));
  }
  return {};
}

Result<std::vector<SalvageLoss>> Salvage::Losses() {
  if (role_ == Role::kReceiver) return LossesOfReceiver();
  DOAGENT_ASSIGN(auto explained, LoadExplained(writer_.database(), runs_));
  DOAGENT_ASSIGN(const auto delivered, LoadDelivered(writer_.database()));
  DOAGENT_ASSIGN(const auto rows, LoadOrigins(writer_.database()));
  std::vector<SalvageLoss> losses;
  for (const OriginRow& row : rows) {
    const bool touched =
        std::any_of(destinations_.begin(), destinations_.end(),
                    [&row](const auto& entry) { return entry.second == row.number; });
    if (!touched) continue;
    DOAGENT_ASSIGN(RangeSet there, runs_.Sequences(row.number));
    if (there.empty()) continue;
    const SequenceRange all{std::clamp<Sequence>(row.first_sequence, 1, there.first()),
                            there.last()};
    there.Add(explained[row.spool_id]);
    SalvageLoss loss{row.number, row.spool_id, RangeSet(there.AbsentWithin(all)), 0};
    if (loss.sequences.empty()) continue;
    RangeSet undelivered = loss.sequences;
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
  Database& database = writer_.database();
  for (const auto& [from, to] : destinations_) {
    DOAGENT_ASSIGN(const RangeSet present, runs_.Sequences(to));
    if (present.empty()) continue;
    DOAGENT_TRY(PutIncarnations(to));
    if (!source_.own_log) DOAGENT_TRY(PutRanges(from, to, present));
  }
  for (const auto& [from, divergence] : divergences_) {
    if (divergence.other.number != 0) DOAGENT_TRY(PutIncarnations(divergence.other.number));
  }
  if (!source_.own_log) {
    DOAGENT_TRY(PutParked());
    DOAGENT_TRY(PutTotals());
  }
  DOAGENT_TRY(
      StoreMetaInteger(database, MarkOf(source_.name), static_cast<std::int64_t>(records_)));
  return Losses();
}

}  // namespace doagent::spool
