// Snapshots and events as stored records (docs/spool-format.md, "Rows", "Events").
//
// A row stands against absolute values, its key, never against the row before it, so that one
// damaged row costs one row. Decoding takes untrusted bytes; errors are kPark.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "spool/ids.h"
#include "spool/layout_finder.h"
#include "spool/model.h"
#include "spool/object_codec.h"
#include "spool/result.h"
#include "spool/stored.h"

namespace doagent::spool {

// A record and the objects that nobody has heard of before it, dependencies first.
struct EncodedRow {
  StoredRecord record;
  std::vector<StoredObject> objects;
};

// What the rows being written stand against.
struct RowRun {
  KeyPtr key;
  ObjectId key_id;
  int rows = 0;
  std::vector<std::uint16_t> changes;  // of each series: in how many of the rows it differed
};

// Encodes consecutive snapshots. A new key is made after key_interval rows, and when a schema or
// the boot id changes. Not thread-safe.
class RowEncoder {
 public:
  RowEncoder(Incarnation incarnation, int key_interval);

  // REQUIRES sections whose values and presence have their schema's size. Does not change what the
  // next call will do: only Commit does, so that a row that could not be stored is encoded anew,
  // with the objects it needs.
  EncodedRow Encode(const Snapshot& snapshot, Sequence sequence);
  // The row of the last Encode is durable, and its objects with it.
  void Commit();

 private:
  bool NeedsKey(const Snapshot& snapshot, const Layout& layout) const;
  void MakeKey(const Snapshot& snapshot, const LayoutFinder::Found& found,
               std::vector<StoredObject>& objects);

  Incarnation incarnation_;
  int key_interval_;
  LayoutFinder layouts_;
  RowRun run_;
  std::optional<RowRun> next_run_;      // begins with the row of the last Encode
  std::vector<std::uint32_t> changed_;  // the series that differ in that row
};

// REQUIRES that the record names this key.
Result<Snapshot> DecodeRow(const StoredRecord& record, const Key& key);

StoredRecord EncodeEvent(const Event& event, Incarnation incarnation, Sequence sequence);

struct DecodedEvent {
  Event event;
  Incarnation incarnation = 0;
};
Result<DecodedEvent> DecodeEvent(const StoredRecord& record);

// kPark: the checksum is not the record's.
Result<void> VerifyChecksum(const StoredRecord& record);

}  // namespace doagent::spool
