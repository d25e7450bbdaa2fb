// Schemas, layouts and keys as content-addressed objects (docs/spool-format.md, "Objects").
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

// The schemas of a snapshot's sections, in order.
struct Layout {
  ObjectId id;
  std::vector<ObjectId> schema_ids;
  std::vector<SchemaPtr> schemas;
  std::size_t series = 0;  // of all of them
};

using LayoutPtr = std::shared_ptr<const Layout>;

// What a run of rows stands against: absolute values of all the layout's series, one section's
// after the other.
struct Key {
  Incarnation incarnation = 0;
  BootId boot_id;
  std::int64_t clock_offset_ns = 0;  // wall clock minus monotonic clock
  LayoutPtr layout;
  std::vector<std::uint64_t> values;  // absent or constant: 0
  std::vector<std::uint8_t> present;
  std::string expected;  // bit i (bits.h): rows are expected to differ in series i
};

using KeyPtr = std::shared_ptr<const Key>;

StoredObject EncodeSchema(const Schema& schema);
StoredObject EncodeLayout(const std::vector<ObjectId>& schema_ids);
StoredObject EncodeKey(const Key& key);

// Decompressed, and its content found to be what the id says.
Result<std::string> OpenObject(const StoredObject& object);

Result<SchemaPtr> DecodeSchema(const std::string& content);
// The ids of its schemas.
Result<std::vector<ObjectId>> DecodeLayout(const std::string& content);
Result<ObjectId> LayoutOfKey(const std::string& key_content);
Result<Key> DecodeKey(const std::string& content, LayoutPtr layout);

// The ids that the object names directly: none, schemas, or a layout.
Result<std::vector<ObjectId>> Dependencies(ObjectKind kind, const std::string& content);

}  // namespace doagent::spool
