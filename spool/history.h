// Which incarnation wrote which sequences of an origin, as far as records show it. Two openings
// that claim the same sequences are two histories: the spool was cloned or rolled back. Pure.
#pragma once

#include <optional>
#include <vector>

#include "spool/ids.h"
#include "spool/ranges.h"
#include "spool/spool.h"

namespace doagent::spool {

// The incarnation that a sequence belongs to, given the beginnings in ascending order; 0: before
// the first of them.
Incarnation IncarnationAt(const std::vector<IncarnationStart>& starts, Sequence sequence);

// The claimed incarnations that contradict what is stored: sequences which, by the claim, one of
// them wrote (up to the claimed head) are stored as another's.
std::vector<Incarnation> ConflictingIncarnations(const std::vector<IncarnationStart>& claimed,
                                                 Sequence claimed_head,
                                                 const std::vector<IncarnationStart>& known,
                                                 const RangeSet& stored);

// The first sequence from which on, by the claim, another incarnation wrote what is stored.
// Nothing: the claim and what is stored are one history.
std::optional<Sequence> DivergesAt(const std::vector<IncarnationStart>& claimed,
                                   const std::vector<IncarnationStart>& known,
                                   const RangeSet& stored);

enum class Noted {
  kKnown,     // as the beginnings have it
  kNew,       // the incarnation now begins with this sequence
  kConflict,  // it would stand among another incarnation's stored sequences: nothing noted
};

// Notes that the incarnation wrote the sequence, which is not stored yet.
Noted NoteIncarnation(std::vector<IncarnationStart>& starts, const RangeSet& stored,
                      Incarnation incarnation, Sequence sequence);

}  // namespace doagent::spool
