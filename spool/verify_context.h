// What the steps of a verification share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "spool/ids.h"
#include "spool/layout.h"
#include "spool/sqlite.h"
#include "spool/verifier.h"
#include "spool/verify_findings.h"

namespace doagent::spool {

// One read transaction's worth: short, so that the owner's log can be reset meanwhile.
inline constexpr std::size_t kVerifyRowsMax = 512;
inline constexpr std::size_t kVerifyBytesMax = 1 << 20;

struct VerifyContext {
  Database& database;
  const VerifyObserver& observer;
  FindingQueue& findings;
  VerifySummary& summary;

  // To be called between read transactions: hands over findings, tells how far it is.
  void Pause(std::string_view step) const {
    findings.Report();
    if (observer.progress) observer.progress(step, summary.bytes);
  }
};

// What a range of ids can have: 0 is nobody's sequence.
inline SequenceRange SequencesOfIds(std::int64_t first, std::int64_t last) {
  return {std::max(SequenceOf(first), Sequence{1}), std::max(SequenceOf(last), Sequence{1})};
}

// An origin as a verification goes through it: known to the table of origins or not.
struct VerifiedOrigin {
  OriginNumber number = 0;
  Sequence first_sequence = 0;  // where its numbering begins; 0: not known
  Sequence head = 0;            // what comes behind is newer than the verification
  bool receiver = false;        // the file is a receiver's
  std::string name;             // "origin 1f3a…"

  std::int64_t first_id() const { return PackId(number, 0); }
  std::int64_t last_id() const { return PackId(number, head); }
  std::string Place(Sequence sequence, const char* what) const {
    return name + ", " + what + " " + std::to_string(sequence);
  }
  std::string Place(SequenceRange range, const char* what) const {
    const std::string first = Place(range.first, what);
    return range.first == range.last ? first : first + "-" + std::to_string(range.last);
  }
};

}  // namespace doagent::spool
