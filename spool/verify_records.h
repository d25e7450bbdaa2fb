// Verifies rows and events one by one: each as its checksum, its key and its incarnation say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "spool/ids.h"
#include "spool/object_table.h"
#include "spool/record_decoder.h"
#include "spool/result.h"
#include "spool/sequence_facts.h"
#include "spool/sqlite.h"
#include "spool/stored.h"
#include "spool/verify_context.h"

namespace doagent::spool {

class RecordVerifier {
 public:
  // REQUIRES that what it is given outlives it.
  static Result<RecordVerifier> Prepare(const VerifyContext& context, SequenceFacts& facts,
                                        RecordDecoder& decoder);

  // All records of the origin up to its head.
  Result<void> Verify(const VerifiedOrigin& origin);

 private:
  RecordVerifier(const VerifyContext& context, SequenceFacts& facts, RecordDecoder& decoder,
                 Statement select, Statement key, Statement key_copy);

  // What is wrong with the record; empty: nothing is.
  Result<std::string> Examine(const VerifiedOrigin& origin, const Statement& row);
  Result<std::string> ExamineContent(StoredRecord& record, std::int64_t key,
                                     Incarnation& incarnation);
  Result<std::string> ExaminePlace(const VerifiedOrigin& origin, Sequence sequence,
                                   Incarnation incarnation);
  // The id of the object with the number; nothing: there is none.
  Result<std::optional<ObjectId>> KeyId(std::int64_t number);

  const VerifyContext& context_;
  SequenceFacts& facts_;
  RecordDecoder& decoder_;
  Statement select_;
  Statement key_;
  Statement key_copy_;
};

}  // namespace doagent::spool
