// Which incarnation wrote which sequences of an origin, as far as records show it. Two openings
// that claim the same sequences are two histories: the spool was cloned or rolled back. Pure.
#pragma once

#include <vector>

#include "spool/ids.h"
#include "spool/ranges.h"
#include "spool/spool.h"

namespace doagent::spool {

// The incarnation that a sequence belongs to, given the beginnings in ascending order; 0: before
// the first of them.
Incarnation IncarnationAt(const std::vector<IncarnationStart>& starts, Sequence sequence);

// Whether the claimed beginnings and those known from what is stored disagree about any stored
// sequence that the claim covers, up to its head.
bool HistoriesDiffer(const std::vector<IncarnationStart>& claimed, Sequence claimed_head,
                     const std::vector<IncarnationStart>& known, const RangeSet& stored);

// Notes that the incarnation wrote the sequence, which is not stored yet. False, and nothing noted:
// that would put it among another incarnation's stored sequences.
bool NoteIncarnation(std::vector<IncarnationStart>& starts, const RangeSet& stored,
                     Incarnation incarnation, Sequence sequence);

}  // namespace doagent::spool
