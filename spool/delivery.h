// What of one origin is settled: acknowledged by some receiver, or set aside. Pending is the rest.
// Lives in memory; the tables follow (range_table.h). Not thread-safe: the Spool guards it.
#pragma once

#include <map>
#include <utility>

#include "spool/ids.h"
#include "spool/ranges.h"

namespace doagent::spool {

class Delivery {
 public:
  void Acknowledge(const ReceiverId& receiver, const RangeSet& ranges);
  // As read from the tables: nothing to be written.
  void Restore(const ReceiverId& receiver, const RangeSet& ranges);
  void Unacknowledge(const ReceiverId& receiver, const RangeSet& ranges);
  void Park(const RangeSet& sequences);
  void SetParked(RangeSet parked);
  void PutParkedBack() { SetParked(RangeSet()); }
  // They are stored no more: what was set aside of them has nothing left to be put back.
  void ForgetParked(const RangeSet& sequences);
  // Sequences under which nothing is stored.
  void AddHole(SequenceRange range);
  // There may be something by now.
  void ForgetHoles();
  // Sequences from `from` on are another origin's now; what they were passes over.
  Delivery SplitAt(Sequence from);

  const RangeSet& settled() const { return settled_; }
  const RangeSet& parked() const { return parked_; }
  RangeSet acknowledged(const ReceiverId& receiver) const;
  // By any receiver.
  RangeSet acknowledged() const;
  // Who acknowledged the newest record of those that anybody did; zero: nobody did.
  ReceiverId newest_receiver() const;

  // What was acknowledged since the last Take, by receiver: to be written to the tables, and given
  // back when that failed.
  std::map<ReceiverId, RangeSet> TakeUnwritten() { return std::exchange(unwritten_, {}); }
  void GiveBackUnwritten(const std::map<ReceiverId, RangeSet>& unwritten);

 private:
  void Settle();

  std::map<ReceiverId, RangeSet> acknowledged_;
  std::map<ReceiverId, RangeSet> unwritten_;
  RangeSet parked_;
  RangeSet holes_;
  RangeSet settled_;  // the union of all above
};

}  // namespace doagent::spool
