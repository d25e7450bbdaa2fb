#include "spool/verify_sequences.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "spool/explained.h"
#include "spool/origin_table.h"
#include "spool/read_past_damage.h"
#include "spool/record_decoder.h"
#include "spool/stored.h"

namespace doagent::spool {
namespace {

// A look reaches as far as one of these does.
constexpr std::size_t kRecordsPerLook = 4096;
constexpr std::size_t kBlocksPerLook = 256;
constexpr std::uint64_t kSpanPerLook = 2 * kBlockSpanMax;  // of these blocks
// Ranges that are suspected before they are looked at again.
constexpr std::size_t kSuspectedMax = 4096;

const UnreadableVisitor kToldElsewhere = [](std::int64_t, std::int64_t, const Error&) {};

bool Possible(SequenceRange range) {
  return range.first > 0 && range.last >= range.first && range.last <= kSequenceMax &&
         range.last - range.first < kBlockSpanMax;
}

}  // namespace

Result<SequenceVerifier> SequenceVerifier::Prepare(const VerifyContext& context,
                                                   SequenceFacts& facts) {
  Database& database = context.database;
  DOAGENT_ASSIGN(Statement records,
                 database.Prepare("SELECT id, kind FROM records WHERE id BETWEEN ? AND ? "
                                  "ORDER BY id"));
  DOAGENT_ASSIGN(Statement blocks,
                 database.Prepare("SELECT id, last, iif(length(holes) <= 8192, holes, x'') "
                                  "FROM blocks WHERE id BETWEEN ? AND ? ORDER BY id"));
  DOAGENT_ASSIGN(Statement block_before,
                 database.Prepare("SELECT max(id) FROM blocks WHERE id BETWEEN ? AND ?"));
  DOAGENT_ASSIGN(Statement events,
                 database.Prepare("SELECT id, time_unix_ns, encoding, checksum, payload "
                                  "FROM records WHERE id BETWEEN ? AND ? AND kind = 1 "
                                  "AND length(payload) <= 1048576 ORDER BY id"));
  DOAGENT_ASSIGN(Statement thinned,
                 database.Prepare("SELECT first, last, records FROM removed WHERE origin = ? AND "
                                  "kind = ? AND first > ? AND first <= ? ORDER BY first"));
  return SequenceVerifier(context, facts, std::move(records), std::move(blocks),
                          std::move(block_before), std::move(events), std::move(thinned));
}

Result<void> SequenceVerifier::LookAtRecords(OriginNumber origin, Window& window) {
  std::size_t records = 0;
  const auto visit = [&](const Statement& row) -> Result<bool> {
    const Sequence sequence = SequenceOf(row.Integer(0));
    window.present.Add({sequence, sequence});
    if (row.Integer(1) == static_cast<int>(RecordKind::kEvent)) {
      ++window.events;
    } else {
      window.rows.Add({sequence, sequence});
    }
    return ++records < kRecordsPerLook;
  };
  DOAGENT_ASSIGN(const auto next,
                 ReadPastDamage(records_, PackId(origin, window.range.first),
                                PackId(origin, window.range.last), visit, kToldElsewhere));
  if (next) window.range.last = SequenceOf(*next) - 1;
  return {};
}

Result<std::vector<StoredBlock>> SequenceVerifier::LookAtBlocks(OriginNumber origin,
                                                                Window& window) {
  std::int64_t first = PackId(origin, window.range.first);
  {
    // The block before may reach into the window.
    const StatementScope scope(block_before_);
    const auto there = block_before_.Bind(PackId(origin, 0), first).Step();
    if (!there && !IsDamage(there.error())) return Fail(there.error());
    if (there && *there && !block_before_.IsNull(0)) first = block_before_.Integer(0);
  }
  std::vector<StoredBlock> blocks;
  std::uint64_t span = 0;
  const auto visit = [&](const Statement& row) -> Result<bool> {
    StoredBlock block;
    block.range = {SequenceOf(row.Integer(0)), static_cast<Sequence>(row.Integer(1))};
    block.holes = std::string(row.Blob(2));
    if (!Possible(block.range) || block.range.last < window.range.first) return true;
    span += block.range.count();
    blocks.push_back(std::move(block));
    return span < kSpanPerLook && blocks.size() < kBlocksPerLook;
  };
  DOAGENT_ASSIGN(const auto next, ReadPastDamage(blocks_, first, PackId(origin, window.range.last),
                                                 visit, kToldElsewhere));
  if (next) window.range.last = std::max(SequenceOf(*next) - 1, window.range.first);
  return blocks;
}

Result<SequenceVerifier::Window> SequenceVerifier::Look(OriginNumber origin, SequenceRange range) {
  Window window;
  window.range = range;
  DOAGENT_ASSIGN(const std::vector<StoredBlock> blocks, LookAtBlocks(origin, window));
  DOAGENT_TRY(LookAtRecords(origin, window));
  for (const StoredBlock& block : blocks) {
    if (block.range.first > window.range.last) break;
    for (const auto& part : SequencesOf(block).Within(window.range)) {
      window.sealed += part.count();
      window.present.Add(part);
    }
    if (block.range.first >= window.range.first) ++window.blocks;
    window.last_of_blocks = std::max(window.last_of_blocks, block.range.last);
  }
  return window;
}

Result<std::optional<Sequence>> SequenceVerifier::FirstOf(const VerifiedOrigin& origin) {
  std::optional<Sequence> first;
  const auto visit = [&first](const Statement& row) -> Result<bool> {
    const Sequence sequence = SequenceOf(row.Integer(0));
    first = std::min(first.value_or(sequence), sequence);
    return false;
  };
  for (Statement* select : {&records_, &blocks_}) {
    DOAGENT_ASSIGN(
        [[maybe_unused]] const auto next,
        ReadPastDamage(*select, origin.first_id() + 1, origin.last_id(), visit, kToldElsewhere));
  }
  return first;
}

void SequenceVerifier::Count(const Window& window, OriginSummary& summary) {
  summary.rows += window.rows.count();
  summary.events += window.events;
  summary.blocks += window.blocks;
  summary.block_snapshots += window.sealed;
  if (window.blocks > 0) {
    summary.unsealed_rows = 0;
    summary.unsealed_from = 0;
  }
  if (window.last_of_blocks < window.range.last) {
    const Sequence begin = std::max(window.last_of_blocks + 1, window.range.first);
    for (const auto& part : window.rows.Within({begin, window.range.last})) {
      if (summary.unsealed_rows == 0) summary.unsealed_from = part.first;
      summary.unsealed_rows += part.count();
    }
  }
  if (window.present.empty()) return;
  if (summary.first_sequence == 0) summary.first_sequence = window.present.first();
  summary.last_sequence = window.present.last();
}

Result<std::vector<SequenceRange>> SequenceVerifier::NotRemoved(OriginNumber origin,
                                                                SequenceRange absent,
                                                                SequenceFacts::Kinds kinds) {
  std::vector<SequenceRange> parts;
  while (absent.first <= absent.last) {
    const auto part = facts_.NotRemoved(origin, absent, kinds);
    if (!part && !IsDamage(part.error())) return Fail(part.error());
    if (!part) {
      // Nobody knows then what was removed, so nothing can be said to be missing.
      context_.findings.AddOnce("table removed", part.error().what);
      return std::vector<SequenceRange>();
    }
    if (!*part) break;
    parts.push_back(**part);
    absent.first = (*part)->last + 1;
  }
  return parts;
}

Result<void> SequenceVerifier::Suspect(const VerifiedOrigin& origin, const Window& window,
                                       OriginSummary& summary) {
  for (const auto& absent : window.present.AbsentWithin(window.range)) {
    summary.removed_records += absent.count();
    DOAGENT_ASSIGN(const auto parts, NotRemoved(origin.number, absent, kRemovalKinds));
    for (const auto& part : parts) {
      summary.removed_records -= part.count();
      suspected_.push_back(part);
    }
  }
  return {};
}

Result<void> SequenceVerifier::RemoveExplained(const VerifiedOrigin& origin,
                                               const SpoolId& spool_id, Thinning thinning,
                                               RangeSet& missing) {
  const auto visit = [&](const Statement& row) -> Result<bool> {
    StoredRecord record;
    record.sequence = SequenceOf(row.Integer(0));
    record.kind = RecordKind::kEvent;
    record.time_unix_ns = row.Integer(1);
    record.encoding = static_cast<Encoding>(row.Integer(2));
    record.checksum = static_cast<std::uint64_t>(row.Integer(3));
    record.payload = std::string(row.Blob(4));
    const auto decoded = RecordDecoder::Event(record);
    if (!decoded) return true;
    const bool thins = decoded->event.kind == EventKind::kThinning;
    if (thins && thinning == Thinning::kIsCounted) return true;
    // An agent's events tell of its older origins, too.
    const SpoolId& about = decoded->event.spool_id;
    const bool own = OriginOf(row.Integer(0)) == origin.number;
    if (about.IsZero() ? !own : about != spool_id) return true;
    for (const auto& range : decoded->event.ranges) missing.Remove(range);
    return !missing.empty();
  };
  DOAGENT_ASSIGN(
      [[maybe_unused]] const auto next,
      ReadPastDamage(events_, 1, std::numeric_limits<std::int64_t>::max(), visit, kToldElsewhere));
  return {};
}

Result<RangeSet> SequenceVerifier::Missing(OriginNumber origin, SequenceRange range,
                                           SequenceFacts::Kinds kinds) {
  RangeSet missing;
  for (Sequence next = range.first; next <= range.last;) {
    DOAGENT_ASSIGN(const Window window, Look(origin, {next, range.last}));
    for (const auto& absent : window.present.AbsentWithin(window.range)) {
      DOAGENT_ASSIGN(const auto parts, NotRemoved(origin, absent, kinds));
      for (const auto& part : parts) missing.Add(part);
    }
    next = window.range.last + 1;
  }
  return missing;
}

Result<RangeSet> SequenceVerifier::StillMissing(const VerifiedOrigin& origin) {
  RangeSet missing;
  for (const auto& range : suspected_) {
    DOAGENT_ASSIGN(const RangeSet some, Missing(origin.number, range, kRemovalKinds));
    missing.Add(some);
  }
  return missing;
}

Result<void> SequenceVerifier::Settle(const VerifiedOrigin& origin, OriginSummary& summary) {
  RangeSet missing;
  {
    DOAGENT_ASSIGN([[maybe_unused]] const ReadScope scope, ReadScope::Begin(context_.database));
    // Behind the last record nothing is missing: what was there may have gone to another origin.
    DOAGENT_ASSIGN(const Window rest, Look(origin.number, {summary.last_sequence, origin.head}));
    if (!rest.present.empty()) {
      DOAGENT_ASSIGN(missing, StillMissing(origin));
    }
    const std::uint64_t unexplained = missing.count();
    if (!missing.empty())
      DOAGENT_TRY(RemoveExplained(origin, summary.spool_id, Thinning::kExplains, missing));
    summary.explained_records += unexplained - missing.count();
  }
  suspected_.clear();
  ReportMissing(origin, missing, summary);
  context_.Pause("sequences");
  return {};
}

void SequenceVerifier::ReportMissing(const VerifiedOrigin& origin, const RangeSet& missing,
                                     OriginSummary& summary) const {
  for (const auto& range : missing.ToVector()) {
    context_.findings.Add(origin.Place(range, range.count() == 1 ? "record" : "records"),
                          range.count() == 1 ? "is not there, and nothing explains why"
                                             : "are not there, and nothing explains why");
    if (summary.missing.size() < kRangesListed) summary.missing.push_back(range);
    ++summary.missing_ranges;
    summary.missing_records += range.count();
  }
}

Result<void> SequenceVerifier::Verify(const VerifiedOrigin& origin, OriginSummary& summary) {
  suspected_.clear();
  DOAGENT_ASSIGN(const auto first, FirstOf(origin));
  if (!first) return {};
  const Sequence begin =
      origin.first_sequence == 0 ? *first : std::min(origin.first_sequence, *first);
  for (Sequence next = begin; next <= origin.head;) {
    {
      DOAGENT_ASSIGN([[maybe_unused]] const ReadScope scope, ReadScope::Begin(context_.database));
      DOAGENT_ASSIGN(const Window window, Look(origin.number, {next, origin.head}));
      Count(window, summary);
      DOAGENT_TRY(Suspect(origin, window, summary));
      next = window.range.last + 1;
    }
    context_.Pause("sequences");
    if (suspected_.size() >= kSuspectedMax) DOAGENT_TRY(Settle(origin, summary));
  }
  // What is behind the last record is not missing: none there.
  while (!suspected_.empty() && suspected_.back().first > summary.last_sequence) {
    suspected_.pop_back();
  }
  if (!suspected_.empty()) DOAGENT_TRY(Settle(origin, summary));
  return VerifyThinned(origin, summary);
}

Result<std::optional<ThinnedRange>> SequenceVerifier::NextThinned(const VerifiedOrigin& origin,
                                                                  Sequence before) {
  const StatementScope scope(thinned_);
  thinned_.Bind(origin.number, static_cast<std::int64_t>(RemovalKind::kThinned), before,
                origin.head);
  for (;;) {
    const auto row = thinned_.Step();
    if (!row && !IsDamage(row.error())) return Fail(row.error());
    // Told where the ranges are verified, as are impossible ones.
    if (!row || !*row) return std::nullopt;
    const SequenceRange range{static_cast<Sequence>(thinned_.Integer(0)),
                              std::min(static_cast<Sequence>(thinned_.Integer(1)), origin.head)};
    if (thinned_.Integer(1) < thinned_.Integer(0)) continue;
    return ThinnedRange{range,
                        static_cast<std::uint64_t>(std::max<std::int64_t>(thinned_.Integer(2), 0))};
  }
}

Result<std::vector<Sequence>> SequenceVerifier::SuspectThinned(const VerifiedOrigin& origin) {
  std::vector<Sequence> suspected;
  for (Sequence before = 0;;) {
    {
      DOAGENT_ASSIGN([[maybe_unused]] const ReadScope scope, ReadScope::Begin(context_.database));
      for (std::size_t ranges = 0; ranges < kBlocksPerLook; ++ranges) {
        DOAGENT_ASSIGN(const auto thinned, NextThinned(origin, before));
        if (!thinned) return suspected;
        before = thinned->range.first;
        DOAGENT_ASSIGN(const RangeSet absent,
                       Missing(origin.number, thinned->range, kWholeRemovalKinds));
        if (absent.count() > thinned->records) suspected.push_back(before);
      }
    }
    context_.Pause("sequences");
  }
}

Result<void> SequenceVerifier::VerifyThinned(const VerifiedOrigin& origin, OriginSummary& summary) {
  DOAGENT_ASSIGN(const auto suspected, SuspectThinned(origin));
  if (suspected.empty()) return {};
  // Once more, all in one transaction, with what events say.
  RangeSet absent;
  Explained told;
  {
    DOAGENT_ASSIGN([[maybe_unused]] const ReadScope scope, ReadScope::Begin(context_.database));
    for (const Sequence first : suspected) {
      DOAGENT_ASSIGN(const auto thinned, NextThinned(origin, first - 1));
      if (!thinned || thinned->range.first != first) continue;
      DOAGENT_ASSIGN(const RangeSet some,
                     Missing(origin.number, thinned->range, kWholeRemovalKinds));
      absent.Add(some);
      told.thinned.push_back(*thinned);
    }
    DOAGENT_TRY(RemoveExplained(origin, summary.spool_id, Thinning::kIsCounted, absent));
  }
  const RangeSet missing = told.Unexplained(std::move(absent));
  summary.removed_records -= std::min(summary.removed_records, missing.count());
  ReportMissing(origin, missing, summary);
  context_.Pause("sequences");
  return {};
}

}  // namespace doagent::spool
