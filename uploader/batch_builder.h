// Makes a batch of records: adds the objects that the receiver needs to read them, and keeps it
// within the bytes that there is room for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "spool/ids.h"
#include "spool/result.h"
#include "spool/spool.h"
#include "uploader/sent_objects.h"
#include "uploader/transport.h"

namespace doagent::uploader {

// Which objects go with records.
enum class ObjectChoice : std::uint8_t {
  // What this session has not sent yet. Optimistic: what carried the rest may still be refused.
  kUnsent,
  // Everything that the records need, so that they stand for themselves: for a batch that was
  // refused before, whose neighbours may have been refused with the objects that they carried.
  kAll,
};

struct BuiltBatch {
  OutgoingBatch batch;
  std::size_t bytes = 0;  // records and objects
  std::vector<ObjectId> objects;
  spool::RangeSet sequences;  // of its records
};

// Takes as many of the records, from the first on, as fit with their objects into bytes_max; one at
// least, even when it does not fit. A block goes whole. REQUIRES something pending.
// kPark: the records' objects are damaged, or a single record or block is beyond what the protocol
// carries. Other errors are the spool's.
Result<BuiltBatch> BuildBatch(spool::Spool& spool, spool::PendingRecords pending,
                              ObjectChoice choice, const SentObjects& sent, std::size_t bytes_max);

// The sequences of what is pending.
spool::RangeSet SequencesOf(const spool::PendingRecords& pending);

}  // namespace doagent::uploader
