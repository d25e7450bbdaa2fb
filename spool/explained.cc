#include "spool/explained.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "spool/origin_table.h"
#include "spool/stored_events.h"

namespace doagent::spool {
namespace {

// Thinned ranges of which none overlaps another, by their first sequence.
using ThinnedByFirst = std::map<Sequence, ThinnedRange>;

// Takes out those that overlap the range. What they span with it, and their records.
ThinnedRange TakeOverlapping(ThinnedByFirst& all, SequenceRange range) {
  ThinnedRange taken{range, 0};
  auto it = all.upper_bound(range.last);
  while (it != all.begin() && std::prev(it)->second.range.last >= range.first) {
    --it;
    taken.range.first = std::min(taken.range.first, it->second.range.first);
    taken.range.last = std::max(taken.range.last, it->second.range.last);
    taken.records += it->second.records;
    it = all.erase(it);
  }
  return taken;
}

// What events say of one origin.
struct Told {
  RangeSet whole;
  ThinnedByFirst thinned;

  void Add(const Event& event, bool thinned_by_parts) {
    for (const auto& range : event.ranges) {
      if (event.kind != EventKind::kThinning || !thinned_by_parts) {
        whole.Add(range);
        continue;
      }
      // A block is thinned again and again, each time a part of what is left.
      ThinnedRange all = TakeOverlapping(thinned, range);
      all.records += std::min(event.count, range.count());
      thinned.emplace(all.range.first, all);
    }
  }
};

void RemoveAll(RangeSet& from, const RangeSet& ranges) {
  for (const auto& range : ranges.ToVector()) {
    if (from.empty()) return;
    from.Remove(range);
  }
}

// What is removed is in the table and in an event: the one that knows more decides.
std::vector<ThinnedRange> Joined(const std::vector<ThinnedRange>& removed, const Told& told,
                                 const RangeSet& whole, Sequence first_sequence) {
  ThinnedByFirst all;
  for (const auto& one : removed) all.emplace(one.range.first, one);
  for (auto [first, one] : told.thinned) {
    // What was thinned before an epoch may reach into the origin that was left.
    if (one.range.last < first_sequence || whole.Contains(one.range)) continue;
    one.range.first = std::max(one.range.first, first_sequence);
    one.records = std::min(one.records, one.range.count());
    ThinnedRange both = TakeOverlapping(all, one.range);
    both.records = std::max(both.records, one.records);
    all.emplace(both.range.first, both);
  }
  std::vector<ThinnedRange> joined;
  for (const auto& [first, one] : all) joined.push_back(one);
  return joined;
}

}  // namespace

void Explained::KeepAbsent(RangeSet absent) {
  RemoveAll(absent, whole);
  for (auto& one : thinned) {
    one.records = std::min(one.records, RangeSet(absent.Within(one.range)).count());
  }
  std::erase_if(thinned, [](const ThinnedRange& one) { return one.records == 0; });
}

RangeSet Explained::Unexplained(RangeSet absent) const {
  RemoveAll(absent, whole);
  for (const auto& one : thinned) {
    std::uint64_t taken = one.records;
    for (const auto& part : absent.Within(one.range)) {
      if (taken == 0) break;
      const std::uint64_t of_part = std::min(taken, part.count());
      absent.Remove({part.first, part.first + of_part - 1});
      taken -= of_part;
    }
  }
  return absent;
}

Result<std::map<SpoolId, Explained>> LoadExplained(Database& database, RunReader& runs, Role role) {
  DOAGENT_ASSIGN(const auto origins, LoadOrigins(database));
  std::map<SpoolId, Told> told;
  for (const auto& origin : origins) {
    // A receiver does not keep account of what an agent thinned.
    DOAGENT_TRY(VisitEvents(runs, origin.number, [&](const Event& event) {
      if (!MeansLoss(event.kind)) return;
      const SpoolId& about = event.spool_id.IsZero() ? origin.spool_id : event.spool_id;
      told[about].Add(event, /*thinned_by_parts=*/role == Role::kAgent);
    }));
  }
  DOAGENT_ASSIGN(const auto removed, LoadRemoved(database));
  DOAGENT_ASSIGN(const auto thinned, LoadThinned(database));
  std::map<SpoolId, Explained> explained;
  for (const auto& origin : origins) {
    Told& events = told[origin.spool_id];
    Explained& all = explained[origin.spool_id];
    all.whole = std::move(events.whole);
    for (const auto& [key, ranges] : removed) {
      const bool whole = key.second != static_cast<std::int64_t>(RemovalKind::kThinned);
      if (key.first == origin.number && whole) all.whole.Add(ranges);
    }
    const auto rows = thinned.find(origin.number);
    all.thinned = Joined(rows == thinned.end() ? std::vector<ThinnedRange>() : rows->second, events,
                         all.whole, origin.first_sequence);
  }
  return explained;
}

Result<void> AddTold(Database& database, OriginNumber origin, const StoredRecord& record,
                     std::map<OriginNumber, RangeSet>& told) {
  const auto event = IntactEvent(record);
  if (!event || !MeansLoss(event->kind) || event->ranges.empty()) return {};
  if (!event->spool_id.IsZero()) {
    // On a receiver nobody is believed about another principal's.
    DOAGENT_ASSIGN(Statement select,
                   database.Prepare("SELECT other.number FROM origins AS own JOIN origins AS other "
                                    "ON own.principal = other.principal "
                                    "WHERE own.number = ? AND other.spool_id = ?"));
    DOAGENT_ASSIGN(const bool row, select.Bind(origin, event->spool_id.bytes()).Step());
    if (!row) return {};
    origin = select.Integer(0);
  }
  for (const auto& range : event->ranges) {
    if (event->kind == EventKind::kThinning) {
      // An agent has it in the table already, and by its count.
      DOAGENT_ASSIGN(const bool counted, IsThinned(database, origin, range));
      if (counted) continue;
    }
    told[origin].Add(range);
  }
  return {};
}

}  // namespace doagent::spool
