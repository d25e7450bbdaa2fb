#include "spool/block_codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "doagent/v1/storage.pb.h"
#include "spool/bits.h"
#include "spool/check.h"
#include "spool/codec.h"
#include "spool/column_codec.h"
#include "spool/digest.h"

namespace doagent::spool {
namespace {

// How far the wall clock may have moved against the monotonic one between two snapshots before it
// is a step rather than being slewed (at 500 ppm, a minute moves it by 30 ms).
constexpr std::int64_t kClockStepNs = 1'000'000'000;
constexpr unsigned kHasAbsent = 0x80;  // beside the coding
constexpr std::size_t kTile = 64;      // series that are looked at together
constexpr std::size_t kGroup = 8;      // snapshots whose values are: eight fill a line of the cache
// Ten bytes an integer, five a position, and what is in a block once or once a snapshot.
constexpr std::size_t kBlockDecodedBytesMax = kBlockCellsMax * 15 + kBlockSnapshotsMax * 32;

tl::unexpected<Error> Malformed(const char* what) {
  return Fail(ErrorCode::kPark, "block", what);
}

std::int64_t ClockOffset(const Snapshot& snapshot) {
  return UnixNanoseconds(snapshot.wall) - BootNanoseconds(snapshot.mono);
}

// For times, where a forged block may say anything.
std::int64_t WrappingSum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

std::int64_t WrappingDifference(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

bool Begins(const Schema& longer, const Schema& shorter) {
  return longer.collector() == shorter.collector() &&
         longer.families().size() >= shorter.families().size() && longer.size() >= shorter.size() &&
         std::equal(shorter.families().begin(), shorter.families().end(),
                    longer.families().begin()) &&
         std::equal(shorter.series().begin(), shorter.series().end(), longer.series().begin());
}

bool Extends(const SchemaPtr& longer, const SchemaPtr& shorter) {
  return longer == shorter || Begins(*longer, *shorter);
}

std::size_t SeriesOf(const Snapshot& snapshot) {
  std::size_t series = 0;
  for (const auto& section : snapshot.sections) series += section.schema->size();
  return series;
}

// --- Encoding ------------------------------------------------------------------------------------

class BlockEncoder {
  // A section of one snapshot.
  struct Row {
    std::span<const std::uint64_t> values;
    std::span<const std::uint8_t> present;
  };

 public:
  BlockEncoder(std::span<const NumberedSnapshot> snapshots, LayoutFinder& layouts)
      : snapshots_(snapshots), layouts_(layouts) {}

  EncodedBlock Encode() {
    AddOrigin();
    AddTimes();
    AddLayouts();
    const auto& sections = snapshots_.back().snapshot.sections;
    for (std::size_t section = 0; section < sections.size(); ++section) {
      AddSection(section, *sections[section].schema);
    }
    Packed packed = Pack(message_.SerializeAsString());
    encoded_.block.encoding = packed.encoding;
    encoded_.block.payload = std::move(packed.bytes);
    encoded_.block.checksum = ChecksumOf(encoded_.block);
    return std::move(encoded_);
  }

 private:
  void AddOrigin() {
    const NumberedSnapshot& first = snapshots_.front();
    message_.set_incarnation(first.incarnation);
    message_.set_boot_id(std::string(first.snapshot.boot_id.bytes()));
    message_.set_clock_offset_ns(ClockOffset(first.snapshot));
    StoredBlock& block = encoded_.block;
    block.range = {first.sequence, snapshots_.back().sequence};
    block.first_time_unix_ns = UnixNanoseconds(first.snapshot.wall);
    block.last_time_unix_ns = UnixNanoseconds(snapshots_.back().snapshot.wall);
    Sequence expected = first.sequence;
    for (const auto& one : snapshots_) {
      for (; expected < one.sequence; ++expected) SetBit(block.holes, expected - first.sequence);
      ++expected;
    }
  }

  void AddTimes() {
    std::int64_t step = 0;
    std::vector<std::int64_t> drifts;
    bool drifted = false;
    for (std::size_t i = 1; i < snapshots_.size(); ++i) {
      const Snapshot& before = snapshots_[i - 1].snapshot;
      const Snapshot& now = snapshots_[i].snapshot;
      const std::int64_t passed =
          WrappingDifference(UnixNanoseconds(now.wall), UnixNanoseconds(before.wall));
      message_.add_times_ns(WrappingDifference(passed, step));
      step = passed;
      drifts.push_back(WrappingDifference(ClockOffset(now), ClockOffset(before)));
      drifted = drifted || drifts.back() != 0;
    }
    if (drifted) message_.mutable_clock_drifts_ns()->Add(drifts.begin(), drifts.end());
  }

  void AddLayouts() {
    for (const auto& one : snapshots_) {
      const auto found = layouts_.Find(one.snapshot);
      auto& named = encoded_.block.layouts;
      if (named.empty() || named.back() != found.layout->id) {
        named.push_back(found.layout->id);
        encoded_.objects.push_back(found.object);
        message_.add_layout_snapshots(0);
      }
      const int last = message_.layout_snapshots_size() - 1;
      message_.set_layout_snapshots(last, message_.layout_snapshots(last) + 1);
    }
  }

  // Several series at a time: in a snapshot they stand side by side.
  void AddSection(std::size_t section, const Schema& schema) {
    rows_.clear();
    for (const auto& one : snapshots_) {
      const Section& row = one.snapshot.sections[section];
      rows_.push_back({row.values, row.present});
    }
    FindComplete(schema.size());
    for (std::size_t begin = 0; begin < schema.size(); begin += kTile) {
      const std::size_t count = std::min(kTile, schema.size() - begin);
      GatherValues(begin, count);
      const bool complete = std::memchr(complete_.data() + begin, 0, count) == nullptr;
      if (!complete) GatherPresence(begin, count);
      for (std::size_t i = 0; i < count; ++i) {
        AddColumn(i, schema.family_of(begin + i).representation.kind, complete_[begin + i] != 0);
      }
    }
  }

  // Which series no snapshot lacks: nearly all.
  void FindComplete(std::size_t series) {
    complete_.assign(series, 1);
    const Row* before = nullptr;
    for (const Row& row : rows_) {
      // Seldom is anything else absent than was in the snapshot before.
      const bool same = before != nullptr && std::ranges::equal(row.present, before->present);
      before = &row;
      if (same) continue;
      // A series that came later is not in the schemas before.
      const std::size_t known = std::min(series, row.present.size());
      for (std::size_t i = 0; i < known; ++i) complete_[i] &= row.present[i];
      std::fill(complete_.begin() + static_cast<std::ptrdiff_t>(known), complete_.end(), 0);
    }
  }

  // Some snapshots at a time: what they add to a series lies side by side.
  void GatherValues(std::size_t begin, std::size_t count) {
    tile_values_.resize(count * rows_.size());
    for (std::size_t row = 0; row < rows_.size(); row += kGroup) {
      const auto group = std::span(rows_).subspan(row, std::min(kGroup, rows_.size() - row));
      const bool whole = group.size() == kGroup && std::ranges::all_of(group, [&](const Row& one) {
                           return one.values.size() >= begin + count;
                         });
      if (whole) {
        GatherGroup(group.first<kGroup>(), begin, count, tile_values_.data() + row);
        continue;
      }
      for (std::size_t i = 0; i < group.size(); ++i) {
        const std::span<const std::uint64_t> values = group[i].values;
        std::uint64_t* to = tile_values_.data() + row + i;
        for (std::size_t at = begin; at < std::min(begin + count, values.size()); ++at) {
          *to = values[at];
          to += rows_.size();
        }
      }
    }
  }

  void GatherGroup(std::span<const Row, kGroup> group, std::size_t begin, std::size_t count,
                   std::uint64_t* to) const {
    std::array<const std::uint64_t*, kGroup> from{};
    for (std::size_t i = 0; i < kGroup; ++i) from[i] = group[i].values.data() + begin;
    for (std::size_t series = 0; series < count; ++series, to += rows_.size()) {
      for (std::size_t i = 0; i < kGroup; ++i) to[i] = from[i][series];
    }
  }

  void GatherPresence(std::size_t begin, std::size_t count) {
    const std::size_t rows = rows_.size();
    tile_present_.assign(count * rows, 0);
    for (std::size_t row = 0; row < rows; ++row) {
      const std::span<const std::uint8_t> present = rows_[row].present;
      const std::size_t known = std::min(begin + count, present.size());
      std::uint8_t* to = tile_present_.data() + row;
      for (std::size_t i = begin; i < known; ++i, to += rows) *to = present[i];
    }
  }

  // The i-th series of the tile.
  void AddColumn(std::size_t i, ValueKind kind, bool complete) {
    const std::size_t rows = rows_.size();
    std::span values(tile_values_.data() + i * rows, rows);
    unsigned coding = v1::CODING_CONSTANT;
    // Before the values: a reader needs to know how many there are.
    if (!complete) {
      const std::span present(tile_present_.data() + i * rows, rows);
      coding |= kHasAbsent;
      AddPresence(present);
      values = values.first(KeepPresent(present, values));
    }
    if (!values.empty() && kind != ValueKind::kConstant) {
      coding |= static_cast<unsigned>(EncodeColumn(values, kind, message_));
    }
    message_.mutable_codings()->push_back(static_cast<char>(coding));
  }

  // Moves the present values to the front, and says how many there are.
  static std::size_t KeepPresent(std::span<const std::uint8_t> present,
                                 std::span<std::uint64_t> values) {
    std::size_t kept = 0;
    for (std::size_t row = 0; row < values.size(); ++row) {
      if (present[row] != 0) values[kept++] = values[row];
    }
    return kept;
  }

  void AddPresence(std::span<const std::uint8_t> present) {
    std::uint8_t flag = 1;
    std::uint32_t run = 0;
    for (const std::uint8_t there : present) {
      if (there != flag) {
        message_.add_positions(run);
        run = 0;
        flag = there;
      }
      ++run;
    }
    message_.add_positions(run);
  }

  std::span<const NumberedSnapshot> snapshots_;
  LayoutFinder& layouts_;
  v1::Block message_;
  EncodedBlock encoded_;
  // Of the section at hand.
  std::vector<Row> rows_;
  std::vector<std::uint8_t> complete_;  // of each series, 1: no snapshot lacks it
  // Of up to kTile of its series, one after the other.
  std::vector<std::uint64_t> tile_values_;
  std::vector<std::uint8_t> tile_present_;
};

}  // namespace

bool MayFollow(const NumberedSnapshot& before, const NumberedSnapshot& next) {
  if (next.incarnation != before.incarnation || next.snapshot.boot_id != before.snapshot.boot_id ||
      next.sequence <= before.sequence || next.snapshot.wall <= before.snapshot.wall) {
    return false;
  }
  const std::int64_t drift =
      WrappingDifference(ClockOffset(next.snapshot), ClockOffset(before.snapshot));
  if (drift > kClockStepNs || drift < -kClockStepNs) return false;
  const auto& sections = next.snapshot.sections;
  const auto& former = before.snapshot.sections;
  return std::equal(sections.begin(), sections.end(), former.begin(), former.end(),
                    [](const Section& longer, const Section& shorter) {
                      return Extends(longer.schema, shorter.schema);
                    });
}

bool BlockTakes(std::span<const NumberedSnapshot> snapshots, const NumberedSnapshot& next) {
  DOAGENT_CHECK(!snapshots.empty());
  return snapshots.size() < kBlockSnapshotsMax && MayFollow(snapshots.back(), next) &&
         next.sequence - snapshots.front().sequence < kBlockSpanMax &&
         (snapshots.size() + 1) * SeriesOf(next.snapshot) <= kBlockCellsMax;
}

std::size_t BlockLength(std::span<const NumberedSnapshot> snapshots) {
  DOAGENT_CHECK(!snapshots.empty());
  std::size_t length = 1;
  while (length < snapshots.size() && BlockTakes(snapshots.first(length), snapshots[length])) {
    ++length;
  }
  return length;
}

std::vector<EncodedBlock> EncodeBlocks(std::span<const NumberedSnapshot> snapshots,
                                       LayoutFinder& layouts) {
  std::vector<EncodedBlock> blocks;
  for (std::size_t length = 0; !snapshots.empty(); snapshots = snapshots.subspan(length)) {
    length = BlockLength(snapshots);
    EncodedBlock encoded = BlockEncoder(snapshots.first(length), layouts).Encode();
    // Fewer, where they are as good as random: a single snapshot always fits.
    while (encoded.block.payload.size() > kBlockBytesMax) {
      length = (length + 1) / 2;
      encoded = BlockEncoder(snapshots.first(length), layouts).Encode();
    }
    blocks.push_back(std::move(encoded));
  }
  return blocks;
}

// --- Decoding ------------------------------------------------------------------------------------

class BlockDecoder {
 public:
  BlockDecoder(const StoredBlock& block, const std::vector<LayoutPtr>& layouts,
               const v1::Block& message)
      : block_(block), layouts_(layouts), message_(message), columns_(message) {}

  Result<DecodedBlock> Decode() {
    DOAGENT_TRY(DecodeOrigin());
    DOAGENT_TRY(DecodeTimes());
    DOAGENT_TRY(DecodeLayouts());
    DOAGENT_TRY(DecodeColumns());
    return std::move(decoded_);
  }

 private:
  Result<void> DecodeOrigin() {
    const auto boot_id = BootId::FromBytes(message_.boot_id());
    if (!boot_id || message_.incarnation() == 0) return Malformed("has no boot id, no incarnation");
    decoded_.boot_id_ = *boot_id;
    decoded_.incarnation_ = message_.incarnation();
    const auto [first, last] = block_.range;
    if (first == 0 || last < first || last > kSequenceMax || last - first >= kBlockSpanMax) {
      return Malformed("has an impossible range");
    }
    if (TestBit(block_.holes, 0) || TestBit(block_.holes, last - first)) {
      return Malformed("has a hole at an end");
    }
    for (Sequence sequence = first; sequence <= last; ++sequence) {
      if (!TestBit(block_.holes, sequence - first)) decoded_.sequences_.push_back(sequence);
    }
    if (decoded_.size() > kBlockSnapshotsMax) return Malformed("has too many snapshots");
    return {};
  }

  Result<void> DecodeTimes() {
    const std::size_t steps = decoded_.size() - 1;
    const auto drifts = static_cast<std::size_t>(message_.clock_drifts_ns_size());
    if (static_cast<std::size_t>(message_.times_ns_size()) != steps ||
        (drifts != 0 && drifts != steps)) {
      return Malformed("has another number of times than of snapshots");
    }
    std::int64_t time = block_.first_time_unix_ns;
    std::int64_t offset = message_.clock_offset_ns();
    std::int64_t step = 0;
    decoded_.times_unix_ns_.push_back(time);
    decoded_.clock_offsets_ns_.push_back(offset);
    for (int i = 0; i < static_cast<int>(steps); ++i) {
      step = WrappingSum(step, message_.times_ns(i));
      time = WrappingSum(time, step);
      if (drifts != 0) offset = WrappingSum(offset, message_.clock_drifts_ns(i));
      decoded_.times_unix_ns_.push_back(time);
      decoded_.clock_offsets_ns_.push_back(offset);
    }
    if (time != block_.last_time_unix_ns) return Malformed("ends at another time than it says");
    return {};
  }

  Result<void> DecodeLayouts() {
    if (layouts_.empty() ||
        static_cast<std::size_t>(message_.layout_snapshots_size()) != layouts_.size()) {
      return Malformed("has another number of layouts than it says");
    }
    std::size_t end = 0;
    for (std::size_t i = 0; i < layouts_.size(); ++i) {
      const std::size_t count = message_.layout_snapshots(static_cast<int>(i));
      if (count == 0 || count > decoded_.size() - end) return Malformed("has impossible layouts");
      if (i > 0 && !ExtendsLayout(*layouts_[i], *layouts_[i - 1])) {
        return Malformed("has layouts that do not follow each other");
      }
      end += count;
      decoded_.layouts_.push_back({end, layouts_[i]});
    }
    if (end != decoded_.size()) return Malformed("has snapshots without a layout");
    return {};
  }

  static bool ExtendsLayout(const Layout& longer, const Layout& shorter) {
    return std::equal(longer.schemas.begin(), longer.schemas.end(), shorter.schemas.begin(),
                      shorter.schemas.end(), Extends);
  }

  Result<void> DecodeColumns() {
    const Layout& layout = *layouts_.back();
    if (message_.codings().size() != layout.series ||
        layout.series * decoded_.size() > kBlockCellsMax) {
      return Malformed("has another number of columns than its layout, or too many cells");
    }
    decoded_.values_.assign(layout.series * decoded_.size(), 0);
    decoded_.present_.assign(layout.series * decoded_.size(), 1);
    std::size_t column = 0;
    for (const auto& schema : layout.schemas) {
      for (std::size_t series = 0; series < schema->size(); ++series) {
        DOAGENT_TRY(DecodeColumn(column++, schema->family_of(series).representation.kind));
      }
    }
    if (!columns_.AllTaken()) return Malformed("has more values than columns");
    return {};
  }

  Result<void> DecodeColumn(std::size_t column, ValueKind kind) {
    const std::size_t rows = decoded_.size();
    const std::span values(decoded_.values_.data() + column * rows, rows);
    const std::span present(decoded_.present_.data() + column * rows, rows);
    const auto stored = static_cast<unsigned char>(message_.codings()[column]);
    const auto coding = static_cast<v1::Coding>(stored & ~kHasAbsent);
    std::size_t count = rows;
    if ((stored & kHasAbsent) != 0) {
      DOAGENT_ASSIGN(count, columns_.TakePresence(present));
    }
    if (count == 0 || kind == ValueKind::kConstant) return {};
    DOAGENT_TRY(columns_.TakeValues(coding, kind, values.first(count)));
    if (count == rows) return {};
    // Spread out, from the end on, so that nothing is overwritten before it was moved.
    for (std::size_t row = rows; row-- > 0;) {
      values[row] = present[row] != 0 ? values[--count] : 0;
    }
    return {};
  }

  const StoredBlock& block_;
  const std::vector<LayoutPtr>& layouts_;
  const v1::Block& message_;
  ColumnReader columns_;
  DecodedBlock decoded_;
};

Snapshot DecodedBlock::At(std::size_t i) const {
  DOAGENT_CHECK(i < size());
  const auto run = std::find_if(layouts_.begin(), layouts_.end(),
                                [i](const LayoutRun& one) { return i < one.end; });
  const Layout& all = *layouts_.back().layout;
  Snapshot snapshot;
  snapshot.wall = FromUnixNanoseconds(times_unix_ns_[i]);
  snapshot.mono = FromBootNanoseconds(WrappingDifference(times_unix_ns_[i], clock_offsets_ns_[i]));
  snapshot.boot_id = boot_id_;
  snapshot.sections.reserve(all.schemas.size());
  std::size_t begin = 0;  // of the section's columns
  for (std::size_t s = 0; s < all.schemas.size(); ++s) {
    const SchemaPtr& schema = run->layout->schemas[s];
    Section section{schema, {}, {}};
    section.values.resize(schema->size());
    section.present.resize(schema->size());
    for (std::size_t series = 0; series < schema->size(); ++series) {
      const std::size_t cell = (begin + series) * size() + i;
      section.values[series] = values_[cell];
      section.present[series] = present_[cell];
    }
    snapshot.sections.push_back(std::move(section));
    begin += all.schemas[s]->size();
  }
  return snapshot;
}

Result<DecodedBlock> DecodeBlock(const StoredBlock& block, const std::vector<LayoutPtr>& layouts) {
  if (block.payload.size() > kBlockBytesMax) return Malformed("is too large");
  DOAGENT_ASSIGN(const std::string content,
                 Unpack(block.encoding, block.payload, kBlockDecodedBytesMax));
  v1::Block message;
  if (!message.ParseFromString(content)) return Malformed("is not a Block message");
  return BlockDecoder(block, layouts, message).Decode();
}

Result<void> VerifyChecksum(const StoredBlock& block) {
  if (ChecksumOf(block) == block.checksum) return {};
  return Fail(ErrorCode::kPark,
              "block " + std::to_string(block.range.first) + "-" + std::to_string(block.range.last),
              "its checksum does not fit its content");
}

}  // namespace doagent::spool
