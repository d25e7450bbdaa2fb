// What keeps a spool small while it is in use: decides when rows are sealed, and when objects that
// nothing names any more are removed. Works on the writing connection: whoever holds that calls it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "spool/layout.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "spool/sealer.h"
#include "spool/spool.h"
#include "spool/time.h"
#include "spool/writer.h"

namespace doagent::spool {

// One origin, as its owner knows it.
struct OriginExtent {
  OriginNumber number = 0;
  RangeSet complete;      // what is not stored of these sequences will never be
  bool finished = false;  // nothing will be added
};

class Maintenance {
 public:
  static Result<std::unique_ptr<Maintenance>> Prepare(Writer& writer, const SealPolicy& policy);

  // There may be rows of the origin that were not noted.
  void Look(OriginNumber origin) { unsealed_[origin] = {1, 0, {}, true}; }
  // A row was stored.
  void NoteRow(OriginNumber origin, Sequence sequence, WallTime now);

  bool Due(OriginNumber origin, WallTime now) const;
  // Seals one run of the origin. True: there may be another.
  Result<bool> Seal(const OriginExtent& extent, WallTime now);

  // Seals the rows of the origin from `from` on, if there are as many as make a backlog. True: it
  // did.
  Result<bool> SealBacklog(const OriginExtent& extent, Sequence from);

  // Removes unused objects, now and then; `key` is in use although no row names it.
  Result<void> Sweep(std::optional<std::int64_t> key);

  Sealer& sealer() { return *sealer_; }

 private:
  // The rows of an origin that are in no block yet.
  struct Unsealed {
    Sequence from = 1;     // none is below
    std::size_t rows = 0;  // noted
    WallTime since;        // when the first of them was noted
    bool look = false;
  };

  Maintenance(Writer& writer, const SealPolicy& policy, std::unique_ptr<Sealer> sealer)
      : writer_(writer), policy_(policy), sealer_(std::move(sealer)) {}

  Writer& writer_;
  const SealPolicy policy_;
  std::unique_ptr<Sealer> sealer_;
  std::map<OriginNumber, Unsealed> unsealed_;
  std::size_t seals_since_sweep_ = 0;
};

}  // namespace doagent::spool
