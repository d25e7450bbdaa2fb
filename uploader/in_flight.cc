#include "uploader/in_flight.h"

#include <utility>

namespace doagent::uploader {

spool::RangeSet Intersection(const spool::RangeSet& set, const spool::RangeSet& ranges) {
  spool::RangeSet common;
  if (set.empty() || ranges.empty()) return common;
  // Walks the ranges that reach into the set's span; an answer may name thousands beyond it.
  for (const auto& range : ranges.Within({set.first(), set.last()})) {
    for (const auto& part : set.Within(range)) common.Add(part);
  }
  return common;
}

void InFlight::Add(SentBatch batch) {
  bytes_ += batch.bytes;
  batches_.push_back(std::move(batch));
}

std::vector<InFlight::Settled> InFlight::Take(const SpoolId& spool_id,
                                              const spool::RangeSet& ranges) {
  std::vector<Settled> settled;
  for (auto it = batches_.begin(); it != batches_.end();) {
    auto& batch = *it;
    auto taken =
        batch.spool_id == spool_id ? Intersection(batch.sequences, ranges) : spool::RangeSet();
    if (taken.empty()) {
      ++it;
      continue;
    }
    for (const auto& range : taken.ToVector()) batch.sequences.Remove(range);
    const bool whole = batch.sequences.empty();
    settled.push_back({.sequences = std::move(taken),
                       .whole = whole,
                       .batch_bytes = batch.bytes,
                       .sent_at = batch.sent_at,
                       .objects = batch.objects,
                       .history = batch.history});
    if (whole) {
      bytes_ -= batch.bytes;
      it = batches_.erase(it);
    } else {
      ++it;
    }
  }
  return settled;
}

void InFlight::AddTo(const SpoolId& spool_id, spool::RangeSet& sequences) const {
  for (const auto& batch : batches_) {
    if (batch.spool_id == spool_id) sequences.Add(batch.sequences);
  }
}

}  // namespace doagent::uploader
