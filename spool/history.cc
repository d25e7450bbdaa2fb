#include "spool/history.h"

#include <algorithm>
#include <set>

namespace doagent::spool {
namespace {

// Sequences that both sides say somebody else wrote.
struct Contradiction {
  SequenceRange range;
  Incarnation claimed = 0;
};

std::vector<Contradiction> Contradictions(const std::vector<IncarnationStart>& claimed,
                                          Sequence claimed_head,
                                          const std::vector<IncarnationStart>& known,
                                          const RangeSet& stored) {
  std::vector<Contradiction> contradictions;
  // Between two neighbouring beginnings, of either side, both sides name one incarnation each.
  std::set<Sequence> borders;
  for (const auto& start : claimed) borders.insert(start.first_sequence);
  for (const auto& start : known) borders.insert(start.first_sequence);
  for (auto border = borders.begin(); border != borders.end() && *border <= claimed_head;
       ++border) {
    const auto next = std::next(border);
    const Sequence last = next == borders.end() ? claimed_head : std::min(*next - 1, claimed_head);
    const Incarnation theirs = IncarnationAt(claimed, *border);
    const Incarnation ours = IncarnationAt(known, *border);
    if (theirs == 0 || ours == 0 || theirs == ours) continue;
    if (stored.Intersects({*border, last})) contradictions.push_back({{*border, last}, theirs});
  }
  return contradictions;
}

}  // namespace

Incarnation IncarnationAt(const std::vector<IncarnationStart>& starts, Sequence sequence) {
  Incarnation incarnation = 0;
  for (const auto& start : starts) {
    if (start.first_sequence > sequence) break;
    incarnation = start.incarnation;
  }
  return incarnation;
}

std::vector<Incarnation> ConflictingIncarnations(const std::vector<IncarnationStart>& claimed,
                                                 Sequence claimed_head,
                                                 const std::vector<IncarnationStart>& known,
                                                 const RangeSet& stored) {
  std::vector<Incarnation> conflicting;
  for (const auto& one : Contradictions(claimed, claimed_head, known, stored)) {
    conflicting.push_back(one.claimed);
  }
  return conflicting;
}

std::optional<Sequence> DivergesAt(const std::vector<IncarnationStart>& claimed,
                                   const std::vector<IncarnationStart>& known,
                                   const RangeSet& stored) {
  const auto all = Contradictions(claimed, kSequenceMax, known, stored);
  if (all.empty()) return std::nullopt;
  return all.front().range.first;
}

Noted NoteIncarnation(std::vector<IncarnationStart>& starts, const RangeSet& stored,
                      Incarnation incarnation, Sequence sequence) {
  const auto known = std::find_if(
      starts.begin(), starts.end(),
      [incarnation](const IncarnationStart& start) { return start.incarnation == incarnation; });
  if (known != starts.end() && known->first_sequence <= sequence) {
    return IncarnationAt(starts, sequence) == incarnation ? Noted::kKnown : Noted::kConflict;
  }
  // Its beginning is new, or earlier than was known: from here to where it (or the next one) was
  // known to begin, nothing may be stored.
  Sequence known_from = kSequenceMax + 1;
  for (const auto& start : starts) {
    if (start.first_sequence >= sequence) known_from = std::min(known_from, start.first_sequence);
  }
  if (known != starts.end() && known_from != known->first_sequence) return Noted::kConflict;
  if (known_from == sequence) return Noted::kConflict;
  if (sequence + 1 < known_from && stored.Intersects({sequence + 1, known_from - 1})) {
    return Noted::kConflict;
  }
  if (known != starts.end()) {
    known->first_sequence = sequence;
  } else {
    starts.push_back({incarnation, sequence});
    std::sort(starts.begin(), starts.end(),
              [](const auto& a, const auto& b) { return a.first_sequence < b.first_sequence; });
  }
  return Noted::kNew;
}

}  // namespace doagent::spool
