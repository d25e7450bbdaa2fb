// Verifies objects one by one: each as its digest says, whole in both places, with what it names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "spool/ids.h"
#include "spool/object_table.h"
#include "spool/result.h"
#include "spool/sqlite.h"
#include "spool/stored.h"
#include "spool/verify_context.h"

namespace doagent::spool {

class ObjectVerifier {
 public:
  // REQUIRES that what it is given outlives it.
  static Result<ObjectVerifier> Prepare(const VerifyContext& context);

  Result<void> Verify();

 private:
  // One of the two places where an object stands.
  struct Stored {
    bool there = false;
    bool whole = false;
    StoredObject object;
    std::string content;  // of a whole one, decompressed
    std::string wrong;    // of another one
  };

  ObjectVerifier(const VerifyContext& context, Statement select, Statement select_copy,
                 Statement find, Statement find_copy, Statement kind);

  Stored Take(const Statement& row);
  // The object with this number in the other place. A page that cannot be read: there, not whole.
  Result<Stored> Find(Statement& find, std::int64_t number);
  Result<void> Examine(const Statement& row);
  // What only the copies have.
  Result<void> ExamineCopy(const Statement& row);
  Result<std::string> ExamineNames(const Stored& stored);
  // All of one place's objects, in short transactions.
  Result<void> Walk(Statement& select, Result<void> (ObjectVerifier::*examine)(const Statement&),
                    const char* table);

  const VerifyContext& context_;
  Statement select_;
  Statement select_copy_;
  Statement find_;
  Statement find_copy_;
  Statement kind_;
};

}  // namespace doagent::spool
