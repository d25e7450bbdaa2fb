// Verifies sealed blocks one by one: each as its checksum, its layouts and its incarnation say, in
// nobody's way.
#pragma once

#include <string>

#include "spool/block_codec.h"
#include "spool/ids.h"
#include "spool/ranges.h"
#include "spool/record_decoder.h"
#include "spool/result.h"
#include "spool/sequence_facts.h"
#include "spool/sqlite.h"
#include "spool/stored.h"
#include "spool/verify_context.h"

namespace doagent::spool {

class BlockVerifier {
 public:
  // REQUIRES that what it is given outlives it.
  static Result<BlockVerifier> Prepare(const VerifyContext& context, SequenceFacts& facts,
                                       RecordDecoder& decoder);

  // All blocks of the origin up to its head, a transaction each.
  Result<void> Verify(const VerifiedOrigin& origin);

 private:
  BlockVerifier(const VerifyContext& context, SequenceFacts& facts, RecordDecoder& decoder,
                Statement select, Statement before, Statement records);

  Result<void> Examine(const VerifiedOrigin& origin, const Statement& row);
  // What is wrong with the block; empty: nothing is.
  Result<std::string> ExamineContent(const VerifiedOrigin& origin, const StoredBlock& block);
  Result<std::string> ExamineIncarnation(const VerifiedOrigin& origin, SequenceRange range,
                                         Incarnation incarnation);
  // Whatever else claims the block's sequences.
  Result<void> ExaminePlace(const VerifiedOrigin& origin, const StoredBlock& block);
  Result<void> ExamineStored(const VerifiedOrigin& origin, const StoredBlock& block,
                             const RangeSet& sequences);

  const VerifyContext& context_;
  SequenceFacts& facts_;
  RecordDecoder& decoder_;
  Statement select_;
  Statement before_;
  Statement records_;
};

}  // namespace doagent::spool
