// Schemas, keys and key sets as content-addressed objects (docs/spool-format.md, "Objects").
//
// Decoding takes untrusted bytes: every limit of stored.h holds, and an error (kPark) leaves
// nothing half-decoded. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "spool/ids.h"
#include "spool/model.h"
#include "spool/result.h"
#include "spool/stored.h"

namespace doagent::spool {

// Absolute values of one collector's series.
struct KeyValues {
  SchemaPtr schema;
  std::vector<std::uint64_t> values;  // one per series; absent or constant: 0
  std::vector<std::uint8_t> present;
};

// What a run of rows hangs on, with everything it names decoded.
struct KeySet {
  Incarnation incarnation = 0;
  BootId boot_id;
  std::int64_t clock_offset_ns = 0;  // wall clock minus monotonic clock
  std::vector<KeyValues> keys;
  std::size_t series = 0;  // of all keys together
};

using KeySetPtr = std::shared_ptr<const KeySet>;

// A key set that names its keys only.
struct KeySetNames {
  Incarnation incarnation = 0;
  BootId boot_id;
  std::int64_t clock_offset_ns = 0;
  std::vector<ObjectId> keys;
};

StoredObject EncodeSchema(const Schema& schema);
StoredObject EncodeKey(const ObjectId& schema, const KeyValues& key);
StoredObject EncodeKeySet(const KeySetNames& names);

// Decompressed, and its content found to be what the id says.
Result<std::string> OpenObject(const StoredObject& object);

Result<SchemaPtr> DecodeSchema(const std::string& content);
Result<ObjectId> SchemaOfKey(const std::string& key_content);
Result<KeyValues> DecodeKey(const std::string& content, SchemaPtr schema);
Result<KeySetNames> DecodeKeySetNames(const std::string& content);

// The ids that the object names directly: none, a schema, or keys.
Result<std::vector<ObjectId>> Dependencies(ObjectKind kind, const std::string& content);

}  // namespace doagent::spool
