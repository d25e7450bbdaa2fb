// The batches that were handed to the transport and are settled neither way: what the window
// counts. Holds no record, only what is needed to tell which of them are meant. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "spool/ids.h"
#include "spool/ranges.h"
#include "spool/time.h"

namespace doagent::uploader {

// What happened to these records before, in this session.
struct History {
  int missing_object_refusals = 0;
  int retry_refusals = 0;
};

struct SentBatch {
  SpoolId spool_id;
  spool::RangeSet sequences;  // exactly those of its records: holes are not in it
  std::size_t bytes = 0;
  MonoTime sent_at;
  std::vector<ObjectId> objects;  // that went with it
  History history;
};

class InFlight {
 public:
  void Add(SentBatch batch);

  // What an answer settles of one batch.
  struct Settled {
    spool::RangeSet sequences;
    bool whole = false;  // nothing of the batch is left
    std::size_t batch_bytes = 0;
    MonoTime sent_at;
    std::vector<ObjectId> objects;
    History history;
  };
  // Takes the records that an answer names out of the batches they are in. Numbers that are not in
  // flight are passed over. A batch's bytes are free when the last of its records is taken.
  std::vector<Settled> Take(const SpoolId& spool_id, const spool::RangeSet& ranges);

  bool empty() const { return batches_.empty(); }
  std::size_t size() const { return batches_.size(); }
  std::size_t bytes() const { return bytes_; }
  // REQUIRES !empty().
  MonoTime oldest_sent_at() const { return batches_.front().sent_at; }
  // Adds what is in flight of the origin.
  void AddTo(const SpoolId& spool_id, spool::RangeSet& sequences) const;

 private:
  std::deque<SentBatch> batches_;  // in the order of sending
  std::size_t bytes_ = 0;
};

// The members of `set` that are in `ranges`.
spool::RangeSet Intersection(const spool::RangeSet& set, const spool::RangeSet& ranges);

}  // namespace doagent::uploader
