#include "spool/verify_blocks.h"

#include <optional>
#include <utility>

#include "spool/block_table.h"
#include "spool/read_past_damage.h"

namespace doagent::spool {
namespace {

enum Column {
  kId,
  kLast,
  kFirstTime,
  kLastTime,
  kEncoding,
  kChecksum,
  kHoles,
  kLayouts,
  kPayload,
  kHolesSize,
  kLayoutsSize,
  kPayloadSize
};

// A damaged size must not make us read what would not fit into memory.
constexpr const char* kSelect =
    "SELECT id, last, first_time_unix_ns, last_time_unix_ns, encoding, checksum, "
    "iif(length(holes) <= 8192, holes, x''), iif(length(layouts) <= 65536, layouts, x''), "
    "iif(length(payload) <= 3145728, payload, x''), "
    "length(holes), length(layouts), length(payload) "
    "FROM blocks WHERE id BETWEEN ? AND ? ORDER BY id";
constexpr std::int64_t kHolesBytesMax = 8192;
constexpr std::int64_t kLayoutsBytesMax = 65536;
static_assert(kHolesBytesMax == kBlockSpanMax / 8);
static_assert(kLayoutsBytesMax == kBlockSnapshotsMax * ObjectId::kBytes);
static_assert(kBlockBytesMax == 3'145'728);

bool PossibleRange(std::int64_t first, std::int64_t last) {
  return first > 0 && last >= first && last <= static_cast<std::int64_t>(kSequenceMax) &&
         last - first < static_cast<std::int64_t>(kBlockSpanMax);
}

// What it says beside its payload that no program understands; empty: nothing.
std::string ExamineColumns(const Statement& row) {
  const auto first = static_cast<std::int64_t>(SequenceOf(row.Integer(kId)));
  if (!PossibleRange(first, row.Integer(kLast))) {
    return "has an impossible range, to " + std::to_string(row.Integer(kLast));
  }
  const std::int64_t encoding = row.Integer(kEncoding);
  if (encoding != static_cast<int>(Encoding::kPlain) &&
      encoding != static_cast<int>(Encoding::kZstd)) {
    return "has an unknown encoding, " + std::to_string(encoding);
  }
  const bool too_large = row.Integer(kHolesSize) > kHolesBytesMax ||
                         row.Integer(kLayoutsSize) > kLayoutsBytesMax ||
                         row.Integer(kPayloadSize) > static_cast<std::int64_t>(kBlockBytesMax);
  if (too_large) return "is larger than a block may be";
  return "";
}

}  // namespace

BlockVerifier::BlockVerifier(const VerifyContext& context, SequenceFacts& facts,
                             RecordDecoder& decoder, Statement select, Statement before,
                             Statement records)
    : context_(context),
      facts_(facts),
      decoder_(decoder),
      select_(std::move(select)),
      before_(std::move(before)),
      records_(std::move(records)) {}

Result<BlockVerifier> BlockVerifier::Prepare(const VerifyContext& context, SequenceFacts& facts,
                                             RecordDecoder& decoder) {
  DOAGENT_ASSIGN(Statement select, context.database.Prepare(kSelect));
  DOAGENT_ASSIGN(Statement before,
                 context.database.Prepare("SELECT id, last FROM blocks WHERE id >= ? AND id < ? "
                                          "ORDER BY id DESC LIMIT 1"));
  DOAGENT_ASSIGN(Statement records,
                 context.database.Prepare("SELECT id FROM records WHERE id BETWEEN ? AND ? "
                                          "ORDER BY id"));
  return BlockVerifier(context, facts, decoder, std::move(select), std::move(before),
                       std::move(records));
}

Result<std::string> BlockVerifier::ExamineIncarnation(const VerifiedOrigin& origin,
                                                      SequenceRange range,
                                                      Incarnation incarnation) {
  const auto written_by = facts_.IncarnationAt(origin.number, range.first);
  if (!written_by && !IsDamage(written_by.error())) return Fail(written_by.error());
  const auto another = facts_.IncarnationBeginsIn(origin.number, range);
  if (!another && !IsDamage(another.error())) return Fail(another.error());
  if (!written_by || !another) {
    context_.findings.AddOnce("table incarnations",
                              (written_by ? another.error() : written_by.error()).what);
    return std::string();
  }
  if (*written_by == incarnation && !*another) return std::string();
  return std::string("is of another incarnation than the one that wrote these sequences");
}

Result<std::string> BlockVerifier::ExamineContent(const VerifiedOrigin& origin,
                                                  const StoredBlock& block) {
  if (const auto intact = VerifyChecksum(block); !intact) return intact.error().what;
  const auto layouts = decoder_.catalog().FindLayouts(block.layouts);
  if (!layouts && !IsDamage(layouts.error())) return Fail(layouts.error());
  if (!layouts) return "cannot be decoded: " + layouts.error().Message();
  const auto decoded = DecodeBlock(block, *layouts);
  if (!decoded) return decoded.error().what;
  return ExamineIncarnation(origin, block.range, decoded->incarnation());
}

Result<void> BlockVerifier::ExamineStored(const VerifiedOrigin& origin, const StoredBlock& block,
                                          const RangeSet& sequences) {
  for (const auto& range : sequences.ToVector()) {
    const auto unknown = facts_.NeverStored(origin.number, range);
    if (!unknown && !IsDamage(unknown.error())) return Fail(unknown.error());
    if (!unknown) {
      context_.findings.AddOnce("table stored", unknown.error().what);
      return {};
    }
    if (!*unknown) continue;
    context_.findings.Add(origin.Place(block.range, "block"),
                          "has sequence " + std::to_string(**unknown) +
                              ", which is not among the ranges that were ever stored");
    return {};
  }
  return {};
}

Result<void> BlockVerifier::ExaminePlace(const VerifiedOrigin& origin, const StoredBlock& block) {
  const std::string place = origin.Place(block.range, "block");
  {
    const StatementScope scope(before_);
    const auto there =
        before_.Bind(origin.first_id(), PackId(origin.number, block.range.first)).Step();
    if (!there && !IsDamage(there.error())) return Fail(there.error());
    const bool overlaps = there && *there &&
                          PossibleRange(static_cast<std::int64_t>(SequenceOf(before_.Integer(0))),
                                        before_.Integer(1)) &&
                          static_cast<Sequence>(before_.Integer(1)) >= block.range.first;
    if (overlaps) {
      context_.findings.Add(place, "overlaps the block before it, which begins with " +
                                       std::to_string(SequenceOf(before_.Integer(0))));
    }
  }
  const RangeSet sequences = SequencesOf(block);
  const auto inside = [&](const Statement& row) -> Result<bool> {
    const Sequence sequence = SequenceOf(row.Integer(0));
    if (sequences.Contains(sequence)) {
      context_.findings.Add(origin.Place(sequence, "record"),
                            "stands in block " + std::to_string(block.range.first) + "-" +
                                std::to_string(block.range.last) + " too");
    }
    return true;
  };
  // What cannot be read there is told where the records are verified.
  DOAGENT_ASSIGN([[maybe_unused]] const auto end,
                 ReadPastDamage(records_, PackId(origin.number, block.range.first),
                                PackId(origin.number, block.range.last), inside,
                                [](std::int64_t, std::int64_t, const Error&) {}));
  return origin.receiver ? ExamineStored(origin, block, sequences) : Result<void>();
}

Result<void> BlockVerifier::Examine(const VerifiedOrigin& origin, const Statement& row) {
  std::string wrong = ExamineColumns(row);
  if (!wrong.empty()) {
    context_.findings.Add(origin.Place(SequenceOf(row.Integer(kId)), "block"), std::move(wrong));
    return {};
  }
  StoredBlock block;
  block.range = {SequenceOf(row.Integer(kId)), static_cast<Sequence>(row.Integer(kLast))};
  block.first_time_unix_ns = row.Integer(kFirstTime);
  block.last_time_unix_ns = row.Integer(kLastTime);
  block.encoding = static_cast<Encoding>(row.Integer(kEncoding));
  block.checksum = static_cast<std::uint64_t>(row.Integer(kChecksum));
  block.holes = std::string(row.Blob(kHoles));
  block.layouts = SplitIds(row.Blob(kLayouts));
  block.payload = std::string(row.Blob(kPayload));
  context_.summary.bytes += block.payload.size();
  DOAGENT_ASSIGN(wrong, ExamineContent(origin, block));
  if (!wrong.empty()) context_.findings.Add(origin.Place(block.range, "block"), std::move(wrong));
  return ExaminePlace(origin, block);
}

Result<void> BlockVerifier::Verify(const VerifiedOrigin& origin) {
  std::optional<std::int64_t> next = origin.first_id();
  while (next) {
    {
      DOAGENT_ASSIGN([[maybe_unused]] const ReadScope scope, ReadScope::Begin(context_.database));
      const auto visit = [&](const Statement& row) -> Result<bool> {
        DOAGENT_TRY(Examine(origin, row));
        return false;
      };
      const auto unreadable = [&](std::int64_t first, std::int64_t last, const Error& error) {
        context_.findings.Add(origin.Place(SequencesOfIds(first, last), "blocks that begin in"),
                              "cannot be read: " + error.what);
      };
      DOAGENT_ASSIGN(next, ReadPastDamage(select_, *next, origin.last_id(), visit, unreadable));
    }
    context_.Pause("blocks");
  }
  return {};
}

}  // namespace doagent::spool
