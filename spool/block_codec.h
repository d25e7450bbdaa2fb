// Runs of snapshots as sealed blocks: series by series, with the times once
// (docs/spool-format.md, "Blocks"). A snapshot comes out of a block with the bits it went in with.
//
// Decoding takes untrusted bytes; errors are kPark. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "spool/ids.h"
#include "spool/layout_finder.h"
#include "spool/model.h"
#include "spool/object_codec.h"
#include "spool/result.h"
#include "spool/stored.h"

namespace doagent::spool {

// A snapshot with what its record knows of it beside.
struct NumberedSnapshot {
  Sequence sequence = 0;
  Incarnation incarnation = 0;
  Snapshot snapshot;
};

// Whether the next snapshot may follow in one block: the same incarnation and boot, a rising
// sequence, clocks that agree on how much time has passed (no step), and schemas that are the same
// or begin with the former ones'.
bool MayFollow(const NumberedSnapshot& before, const NumberedSnapshot& next);

// Whether the next snapshot still goes into the block that these make: as MayFollow and the limits
// of stored.h let it. REQUIRES at least one snapshot, none beyond the limits of model.h.
bool BlockTakes(std::span<const NumberedSnapshot> snapshots, const NumberedSnapshot& next);

// How many of the snapshots, from the first on, one block takes. REQUIRES as above.
std::size_t BlockLength(std::span<const NumberedSnapshot> snapshots);

struct EncodedBlock {
  StoredBlock block;
  std::vector<StoredObject> objects;  // its layouts
};

// As many blocks as the snapshots need: one, where BlockLength takes all and they compress at all.
std::vector<EncodedBlock> EncodeBlocks(std::span<const NumberedSnapshot> snapshots,
                                       LayoutFinder& layouts);

// A block, decoded column by column.
class DecodedBlock {
 public:
  std::size_t size() const { return sequences_.size(); }
  Incarnation incarnation() const { return incarnation_; }
  const std::vector<Sequence>& sequences() const { return sequences_; }
  std::int64_t time_unix_ns(std::size_t i) const { return times_unix_ns_[i]; }
  // REQUIRES i < size().
  Snapshot At(std::size_t i) const;

 private:
  friend class BlockDecoder;

  struct LayoutRun {
    std::size_t end = 0;  // the first snapshot behind it
    LayoutPtr layout;
  };

  Incarnation incarnation_ = 0;
  BootId boot_id_;
  std::vector<Sequence> sequences_;
  std::vector<std::int64_t> times_unix_ns_;
  std::vector<std::int64_t> clock_offsets_ns_;
  std::vector<LayoutRun> layouts_;
  // Column after column, size() cells each; absent: 0.
  std::vector<std::uint64_t> values_;
  std::vector<std::uint8_t> present_;
};

// REQUIRES the layouts that the block names, in their order.
Result<DecodedBlock> DecodeBlock(const StoredBlock& block, const std::vector<LayoutPtr>& layouts);

// kPark: the checksum is not the block's.
Result<void> VerifyChecksum(const StoredBlock& block);

}  // namespace doagent::spool
