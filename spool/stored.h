// Records and objects as they stand in the database and travel on the wire: bytes with a checksum,
// not yet decoded. docs/spool-format.md, "Rows", "Objects".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spool/ids.h"
#include "spool/model.h"

namespace doagent::spool {

// How a payload is to be read. The numbers are stored; they never change their meaning.
enum class Encoding : std::uint8_t {
  kPlain = 0,  // a protobuf message
  kZstd = 1,   // the same in one zstd frame
};

enum class RecordKind : std::uint8_t {
  kRow = 0,    // a snapshot: doagent.v1.Row against a key set
  kEvent = 1,  // doagent.v1.Event
};

enum class ObjectKind : std::uint8_t { kSchema = 1, kKey = 2, kKeySet = 3 };

// Limits on what comes from outside, checked before anything is decompressed or decoded.
inline constexpr std::size_t kRecordBytesMax = 1 << 20;           // stored payload
inline constexpr std::size_t kObjectBytesMax = 4 << 20;           // stored payload
inline constexpr std::size_t kDecodedBytesMax = 16 << 20;         // after decompression
inline constexpr std::size_t kDecompressionRatioMax = 200;        // decoded : stored, above 64 KiB
inline constexpr std::size_t kSchemaFieldsMax = 12 * kSeriesMax;  // names, values, series, families
inline constexpr Sequence kSequenceMax = (Sequence{1} << 40) - 1;

struct StoredObject {
  ObjectId id;  // of kind and decompressed content
  ObjectKind kind = ObjectKind::kSchema;
  Encoding encoding = Encoding::kPlain;
  std::string payload;
};

struct StoredRecord {
  Sequence sequence = 0;
  std::int64_t time_unix_ns = 0;
  RecordKind kind = RecordKind::kRow;
  Encoding encoding = Encoding::kPlain;
  ObjectId key_set;  // of a row; zero for events
  std::uint64_t checksum = 0;
  std::string payload;

  // Roughly what it costs in memory and on the wire.
  std::size_t bytes() const { return payload.size() + 48; }
};

}  // namespace doagent::spool
