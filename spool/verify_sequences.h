// Goes through an origin's sequences in order: counts what there is, and finds what should be there
// and is not.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "spool/ids.h"
#include "spool/range_table.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "spool/sequence_facts.h"
#include "spool/sqlite.h"
#include "spool/stored.h"
#include "spool/verify_context.h"

namespace doagent::spool {

class SequenceVerifier {
 public:
  // REQUIRES that what it is given outlives it.
  static Result<SequenceVerifier> Prepare(const VerifyContext& context, SequenceFacts& facts);

  // Fills the summary's counts and ranges.
  Result<void> Verify(const VerifiedOrigin& origin, OriginSummary& summary);

 private:
  // What there is from one sequence to another, by one look.
  struct Window {
    SequenceRange range;
    RangeSet present;
    RangeSet rows;
    std::uint64_t events = 0;
    std::uint64_t sealed = 0;  // snapshots in blocks
    std::uint64_t blocks = 0;  // that begin in here
    Sequence last_of_blocks = 0;
  };

  SequenceVerifier(const VerifyContext& context, SequenceFacts& facts, Statement records,
                   Statement blocks, Statement block_before, Statement events, Statement thinned)
      : context_(context),
        facts_(facts),
        records_(std::move(records)),
        blocks_(std::move(blocks)),
        block_before_(std::move(block_before)),
        events_(std::move(events)),
        thinned_(std::move(thinned)) {}

  // From the range's first sequence on, as far as one look reaches. REQUIRES a read transaction.
  Result<Window> Look(OriginNumber origin, SequenceRange range);
  // The blocks that reach into the window, without their payloads. Shortens the window to the
  // beginnings of those that are not among them.
  Result<std::vector<StoredBlock>> LookAtBlocks(OriginNumber origin, Window& window);
  Result<void> LookAtRecords(OriginNumber origin, Window& window);
  // The first sequence that there is; nothing: none is.
  Result<std::optional<Sequence>> FirstOf(const VerifiedOrigin& origin);
  void Count(const Window& window, OriginSummary& summary);
  // What is absent in the window and not among what retention removed becomes suspected.
  Result<void> Suspect(const VerifiedOrigin& origin, const Window& window, OriginSummary& summary);
  // Looks at what is suspected once more, all in one transaction, and reports what is left.
  Result<void> Settle(const VerifiedOrigin& origin, OriginSummary& summary);
  Result<RangeSet> StillMissing(const VerifiedOrigin& origin);
  // What is absent in the range, and not removed in one of these ways. REQUIRES a read transaction.
  Result<RangeSet> Missing(OriginNumber origin, SequenceRange range, SequenceFacts::Kinds kinds);
  // The parts of what is absent that retention did not take; nothing where nobody can say.
  Result<std::vector<SequenceRange>> NotRemoved(OriginNumber origin, SequenceRange absent,
                                                SequenceFacts::Kinds kinds);
  // What events say of an agent's thinned ranges is in its table, too, and by its count.
  enum class Thinning { kExplains, kIsCounted };
  Result<void> RemoveExplained(const VerifiedOrigin& origin, const SpoolId& spool_id,
                               Thinning thinning, RangeSet& missing);
  // Finds thinned ranges of which more is absent than was taken.
  Result<void> VerifyThinned(const VerifiedOrigin& origin, OriginSummary& summary);
  // Where those begin that may be such ones, as long as no event is asked.
  Result<std::vector<Sequence>> SuspectThinned(const VerifiedOrigin& origin);
  // The first that begins behind a sequence. REQUIRES a read transaction.
  Result<std::optional<ThinnedRange>> NextThinned(const VerifiedOrigin& origin, Sequence before);
  void ReportMissing(const VerifiedOrigin& origin, const RangeSet& missing,
                     OriginSummary& summary) const;

  const VerifyContext& context_;
  SequenceFacts& facts_;
  Statement records_;
  Statement blocks_;
  Statement block_before_;
  Statement events_;
  Statement thinned_;
  std::vector<SequenceRange> suspected_;
};

}  // namespace doagent::spool
