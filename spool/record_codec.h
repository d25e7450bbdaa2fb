// Snapshots and events as stored records (docs/spool-format.md, "Rows", "Events").
//
// A row stands against absolute values, its key, never against the row before it, so that one
// damaged row costs one row. Decoding takes untrusted bytes; errors are kPark.
#pragma once

#include <cstdint>
#include <vector>

#include "spool/ids.h"
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

// Encodes consecutive snapshots. A new key is made for every collector after key_interval rows, and
// for one alone when its schema changes. Not thread-safe.
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
  struct Key {
    KeyValues values;
    ObjectId schema_id;
    ObjectId id;
  };
  struct State {
    ObjectId id;
    BootId boot_id;
    std::int64_t clock_offset_ns = 0;
    std::vector<std::shared_ptr<const Key>> keys;
    int rows = 0;
  };

  bool KeyFits(const State& state, const Snapshot& snapshot, std::size_t section) const;
  void MakeKeys(const Snapshot& snapshot, bool all, std::vector<StoredObject>& objects);

  Incarnation incarnation_;
  int key_interval_;
  State state_;
  State next_;
};

// REQUIRES that the record names this key set.
Result<Snapshot> DecodeRow(const StoredRecord& record, const KeySet& key_set);

StoredRecord EncodeEvent(const Event& event, Incarnation incarnation, Sequence sequence);

struct DecodedEvent {
  Event event;
  Incarnation incarnation = 0;
};
Result<DecodedEvent> DecodeEvent(const StoredRecord& record);

// kSalvage: the checksum is not the record's.
Result<void> VerifyChecksum(const StoredRecord& record);

}  // namespace doagent::spool
