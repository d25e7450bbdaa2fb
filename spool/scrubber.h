// Reads everything that is stored, a little at a time and over and over, to find what is damaged
// before somebody needs it; and sets that aside. Works on the writing connection. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spool/ids.h"
#include "spool/layout.h"
#include "spool/ranges.h"
#include "spool/record_decoder.h"
#include "spool/result.h"
#include "spool/run_reader.h"
#include "spool/time.h"
#include "spool/writer.h"

namespace doagent::spool {

// What cannot be read of one origin, found in one step: single records, or one block.
struct DamagedRecords {
  OriginNumber origin = 0;
  RangeSet sequences;             // of a block, those that nothing else has
  std::optional<Sequence> block;  // the number under which it stands
  std::string what;               // is wrong with the first of them
};

class Scrubber {
 public:
  static Result<std::unique_ptr<Scrubber>> Prepare(Writer& writer);

  // Looks at a few records, or one block, behind those of the step before; at the end it begins
  // again. `origins`: ascending.
  Result<std::optional<DamagedRecords>> Step(const std::vector<OriginNumber>& origins);
  // A block that could not be decoded when it was needed, and why. Nothing: it is not there.
  Result<std::optional<DamagedRecords>> Block(OriginNumber origin, Sequence first,
                                              const Error& error);
  // Something is wrong here: the next step looks at it.
  void LookAt(OriginNumber origin, Sequence sequence);

  // Moves them where nobody reads them. REQUIRES a write transaction, and nothing stored or removed
  // since Step.
  Result<void> SetAside(const DamagedRecords& damaged, WallTime now);

 private:
  Scrubber(Writer& writer, RunReader runs)
      : writer_(writer), runs_(std::move(runs)), decoder_(writer.objects()) {}

  Result<std::optional<DamagedRecords>> Check(OriginNumber origin, const StoredRun& run);

  Writer& writer_;
  RunReader runs_;
  RecordDecoder decoder_;
  OriginNumber origin_ = 0;
  Sequence done_ = 0;
};

}  // namespace doagent::spool
