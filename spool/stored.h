// Records, blocks of them and objects as they stand in the database and travel on the wire: bytes
// with a checksum, not yet decoded. docs/spool-format.md, "Rows", "Blocks", "Objects".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spool/ids.h"
#include "spool/model.h"
#include "spool/ranges.h"

namespace doagent::spool {

// How a payload is to be read. The numbers are stored; they never change their meaning.
enum class Encoding : std::uint8_t {
  kPlain = 0,  // a protobuf message
  kZstd = 1,   // the same in one zstd frame
};

enum class RecordKind : std::uint8_t {
  kRow = 0,    // a snapshot: doagent.v1.Row against a key
  kEvent = 1,  // doagent.v1.Event
};

enum class ObjectKind : std::uint8_t { kSchema = 1, kKey = 2, kLayout = 3 };

// Limits on what comes from outside, checked before anything is decompressed or decoded.
inline constexpr std::size_t kRecordBytesMax = 1 << 20;           // stored payload
inline constexpr std::size_t kObjectBytesMax = 4 << 20;           // stored payload
inline constexpr std::size_t kDecodedBytesMax = 16 << 20;         // after decompression
inline constexpr std::size_t kDecompressionRatioMax = 200;        // decoded : stored, above 64 KiB
inline constexpr std::size_t kSchemaFieldsMax = 12 * kSeriesMax;  // names, values, series, families
inline constexpr std::size_t kBlockBytesMax = 3 << 20;  // stored payload: fits into a batch
inline constexpr std::size_t kBlockSnapshotsMax = 4096;
inline constexpr std::size_t kBlockSpanMax = 1 << 16;   // sequences from first to last
inline constexpr std::size_t kBlockCellsMax = 400'000;  // snapshots × series
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
  ObjectId key;  // of a row; zero for events
  std::uint64_t checksum = 0;
  std::string payload;

  // Roughly what it costs in memory and on the wire.
  std::size_t bytes() const { return payload.size() + 48; }
};

// A run of snapshots of one incarnation and one boot, series by series. Events never are in one:
// they, and what is gone, are holes.
struct StoredBlock {
  SequenceRange range;                  // from its first snapshot to its last
  std::string holes;                    // bit i (bits.h): range.first + i is not in the block
  std::int64_t first_time_unix_ns = 0;  // of its first and of its last snapshot
  std::int64_t last_time_unix_ns = 0;
  std::vector<ObjectId> layouts;  // in the order of use; each extends the one before
  Encoding encoding = Encoding::kPlain;
  std::uint64_t checksum = 0;
  std::string payload;

  std::size_t bytes() const { return payload.size() + holes.size() + 64; }
};

RangeSet SequencesOf(const std::vector<StoredRecord>& records);
// Of the snapshots in a block. REQUIRES a range of at most kBlockSpanMax.
RangeSet SequencesOf(const StoredBlock& block);

}  // namespace doagent::spool
