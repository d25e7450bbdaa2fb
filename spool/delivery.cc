#include "spool/delivery.h"

#include <utility>

namespace doagent::spool {
namespace {

// Moves what is at or above `from` out of the set.
RangeSet SplitSet(RangeSet& set, Sequence from) {
  RangeSet upper;
  if (set.empty() || set.last() < from) return upper;
  const SequenceRange range{from, set.last()};
  for (const auto& part : set.Within(range)) upper.Add(part);
  set.Remove(range);
  return upper;
}

}  // namespace

void Delivery::Acknowledge(const ReceiverId& receiver, const RangeSet& ranges) {
  Restore(receiver, ranges);
  if (!ranges.empty()) unwritten_[receiver].Add(ranges);
}

void Delivery::Restore(const ReceiverId& receiver, const RangeSet& ranges) {
  acknowledged_[receiver].Add(ranges);
  settled_.Add(ranges);
}

void Delivery::Unacknowledge(const ReceiverId& receiver, const RangeSet& ranges) {
  for (const auto& range : ranges.ToVector()) {
    acknowledged_[receiver].Remove(range);
    if (const auto found = unwritten_.find(receiver); found != unwritten_.end()) {
      found->second.Remove(range);
    }
  }
  Settle();
}

void Delivery::GiveBackUnwritten(const std::map<ReceiverId, RangeSet>& unwritten) {
  for (const auto& [receiver, ranges] : unwritten) {
    // Not what a receiver has lost again in the meantime.
    for (const auto& range : ranges.ToVector()) {
      for (const auto& part : acknowledged_[receiver].Within(range)) unwritten_[receiver].Add(part);
    }
  }
}

void Delivery::Park(const RangeSet& sequences) {
  parked_.Add(sequences);
  settled_.Add(sequences);
}

void Delivery::SetParked(RangeSet parked) {
  parked_ = std::move(parked);
  Settle();
}

void Delivery::ForgetParked(const RangeSet& sequences) {
  for (const auto& range : sequences.ToVector()) {
    for (const auto& part : parked_.Within(range)) {
      parked_.Remove(part);
      AddHole(part);
    }
  }
}

void Delivery::AddHole(SequenceRange range) {
  holes_.Add(range);
  settled_.Add(range);
}

void Delivery::ForgetHoles() {
  holes_ = RangeSet();
  Settle();
}

Delivery Delivery::SplitAt(Sequence from) {
  Delivery upper;
  for (auto& [receiver, ranges] : acknowledged_) {
    upper.acknowledged_[receiver] = SplitSet(ranges, from);
  }
  for (auto& [receiver, ranges] : unwritten_) upper.unwritten_[receiver] = SplitSet(ranges, from);
  upper.parked_ = SplitSet(parked_, from);
  upper.holes_ = SplitSet(holes_, from);
  Settle();
  upper.Settle();
  return upper;
}

RangeSet Delivery::acknowledged(const ReceiverId& receiver) const {
  const auto found = acknowledged_.find(receiver);
  return found == acknowledged_.end() ? RangeSet() : found->second;
}

RangeSet Delivery::acknowledged() const {
  RangeSet all;
  for (const auto& [receiver, ranges] : acknowledged_) all.Add(ranges);
  return all;
}

ReceiverId Delivery::newest_receiver() const {
  ReceiverId newest;
  Sequence last = 0;
  for (const auto& [receiver, ranges] : acknowledged_) {
    if (ranges.empty() || ranges.last() <= last) continue;
    newest = receiver;
    last = ranges.last();
  }
  return newest;
}

void Delivery::Settle() {
  settled_ = parked_;
  settled_.Add(holes_);
  for (const auto& [receiver, ranges] : acknowledged_) settled_.Add(ranges);
}

}  // namespace doagent::spool
