#include "uploader/reconcile.h"

#include <algorithm>

#include "uploader/in_flight.h"
#include "uploader/wire.h"

namespace doagent::uploader {
namespace {

spool::RangeSet StoredOf(const SpoolId& spool_id, const Welcome& welcome) {
  spool::RangeSet stored;
  for (const auto& entry : welcome.stored) {
    if (entry.spool_id == spool_id) stored.Add(entry.ranges);
  }
  return stored;
}

bool InConflict(const SpoolId& spool_id, const Welcome& welcome) {
  return std::find(welcome.conflicts.begin(), welcome.conflicts.end(), spool_id) !=
         welcome.conflicts.end();
}

// A receiver names only so many ranges: beyond the last one named it may have more.
bool MayBeCutShort(const Welcome& welcome) {
  std::size_t named = 0;
  for (const auto& entry : welcome.stored) named += entry.ranges.range_count();
  return named >= kMessageRangesMax;
}

spool::RangeSet Lacking(spool::RangeSet acknowledged, const spool::RangeSet& stored,
                        bool may_be_cut_short) {
  for (const auto& range : stored.ToVector()) acknowledged.Remove(range);
  if (may_be_cut_short) {
    const Sequence known = stored.empty() ? 0 : stored.last();
    if (known < spool::kSequenceMax) acknowledged.Remove({known + 1, spool::kSequenceMax});
  }
  return acknowledged;
}

}  // namespace

std::vector<spool::Claim> ClaimsToSend(const spool::Spool& spool, std::vector<spool::Claim> claims,
                                       const ReceiverId& receiver) {
  if (claims.size() > kClaimsMax) claims.resize(kClaimsMax);  // the current one comes first
  for (auto& claim : claims) {
    const auto acknowledged = spool.Acknowledged(claim.spool_id, receiver);
    if (acknowledged.empty()) continue;
    claim.first_pending = std::min(claim.first_pending, acknowledged.first());
  }
  return claims;
}

Result<Reconciled> Reconcile(spool::Spool& spool, const std::vector<spool::Claim>& claims,
                             const Welcome& welcome) {
  Reconciled reconciled;
  for (const auto& claim : claims) {
    const bool listed = InConflict(claim.spool_id, welcome);
    const auto stored = StoredOf(claim.spool_id, welcome);
    if (claim.current && listed) {
      reconciled.conflict = "the receiver has records of another history of this spool";
    } else if (claim.current && !stored.empty() && stored.last() > claim.head) {
      reconciled.conflict = "the receiver has records up to " + std::to_string(stored.last()) +
                            ", this spool only up to " + std::to_string(claim.head);
    }
    if (listed || (claim.current && !reconciled.conflict.empty())) continue;

    if (claim.head < claim.first_pending) continue;  // nothing was asked about
    const auto asked = spool::RangeSet({{claim.first_pending, claim.head}});
    const auto delivered = Intersection(stored, asked);
    if (!delivered.empty()) spool.Acknowledge(claim.spool_id, welcome.receiver, delivered);
    const auto lacking =
        Lacking(Intersection(spool.Acknowledged(claim.spool_id, welcome.receiver), asked), stored,
                MayBeCutShort(welcome));
    if (lacking.empty()) continue;
    DOAGENT_TRY(spool.Unacknowledge(claim.spool_id, welcome.receiver, lacking));
    reconciled.offered_again += lacking.count();
  }
  return reconciled;
}

Sequence EpochStart(const spool::Spool& spool, const spool::Claim& current,
                    const ReceiverId& receiver) {
  const Sequence incarnation =
      current.incarnations.empty() ? 1 : current.incarnations.back().first_sequence;
  const auto acknowledged = spool.Acknowledged(current.spool_id, receiver);
  return acknowledged.empty() ? incarnation : std::max(incarnation, acknowledged.last() + 1);
}

}  // namespace doagent::uploader
