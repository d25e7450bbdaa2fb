// What a Welcome says about the records that the spool holds, put into effect.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spool/ids.h"
#include "spool/result.h"
#include "spool/spool.h"
#include "uploader/transport.h"

namespace doagent::uploader {

struct Reconciled {
  // The current spool id's sequences are another history's at this receiver: why we think so.
  // Empty: they are not.
  std::string conflict;
  // Acknowledged once, no longer there, and pending again.
  std::uint64_t offered_again = 0;
};

// The claims as they are to be sent: as many as a message carries, the current one among them, and
// each asking for all that `receiver`, the one of the last session, ever acknowledged. A receiver
// that was restored from a backup has less than that, and only so does it show.
std::vector<spool::Claim> ClaimsToSend(const spool::Spool& spool, std::vector<spool::Claim> claims,
                                       const ReceiverId& receiver);

// Marks what the receiver has as acknowledged and what it no longer has as pending.
//
// A claim in conflict is left alone, since what stands under its sequences at the receiver may be
// another history's: for the current spool id the caller starts a new epoch; of an older one the
// records are offered, and the receiver answers for each.
Result<Reconciled> Reconcile(spool::Spool& spool, const std::vector<spool::Claim>& claims,
                             const Welcome& welcome);

// Where a new epoch has to begin when the current claim is in conflict at a receiver.
//
// Everything that this incarnation wrote may have been written by another history too, so it all
// moves, except for what the receiver acknowledged to us: that it has, as ours, and under another
// name it would store it twice. What an earlier incarnation wrote is history that both sides share
// (before a rollback or a copy was made), and stays. Two openings since the copy, both without a
// network, leave the first one's records in conflict under the old id; the receiver refuses them
// one by one, and they are set aside: kept and listed, not lost.
Sequence EpochStart(const spool::Spool& spool, const spool::Claim& current,
                    const ReceiverId& receiver);

}  // namespace doagent::uploader
