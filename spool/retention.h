// What a spool keeps, and what goes first when it may not keep everything: delivered records when
// they are old enough; for want of space first delivered ones, then parts of undelivered blocks,
// down to one snapshot in 64, then whole ones. Undelivered events stay.
//
// Works on the writing connection: whoever holds that calls it. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "spool/layout.h"
#include "spool/range_table.h"
#include "spool/ranges.h"
#include "spool/reserve_file.h"
#include "spool/result.h"
#include "spool/run_reader.h"
#include "spool/sealer.h"
#include "spool/space_budget.h"
#include "spool/spool.h"
#include "spool/time.h"
#include "spool/writer.h"

namespace doagent::spool {

// What an owner has of one origin.
struct Holding {
  OriginNumber number = 0;
  bool current = false;
  Sequence head = 0;
  RangeSet delivered;  // of a local spool: everything
};

// One thing to be done, small enough for one transaction.
struct Removal {
  RemovalKind kind = RemovalKind::kExpired;
  OriginNumber origin = 0;
  SequenceRange range;  // of the block, or of the rows and events
  bool block = false;
  RangeSet sequences;  // that go
  bool only_events = false;
  WallTime time;  // of the newest of them
  std::string reason;
};

class Retention {
 public:
  // REQUIRES that the reserve outlives it.
  static Result<std::unique_ptr<Retention>> Prepare(Writer& writer, Sealer& sealer,
                                                    ReserveFile& reserve,
                                                    const RetentionPolicy& policy);

  // What should go next, if anything. Looks closely only now and then.
  Result<std::optional<Removal>> Choose(const std::vector<Holding>& holdings, WallTime wall,
                                        MonoTime mono);
  // Does it. kPark: the block that is to be thinned is damaged. REQUIRES a write transaction, and
  // nothing stored or removed since Choose.
  Result<void> Apply(const Removal& removal);
  // The transaction of the last Apply, of what was chosen last, is durable.
  void Applied(const Removal& removal);

  // A write found no space: what there is to be done about it is not put off.
  void NoteDiskFull();
  // The file cannot grow any more: the next records have to fit into what it has.
  bool disk_full() const { return space_.disk_full(); }

  // A checkpoint may have given back what is kept for the growth of the file: it is taken again
  // before anybody else takes it. To be called after whatever commits.
  void KeepRoom();

  // Gives free pages back to the file system, some at a time. True: there are more.
  Result<bool> Vacuum() { return space_.Vacuum(); }

 private:
  // How far thinning has come: of each origin's blocks up to this sequence, one snapshot in 2^level
  // is left.
  struct ThinningPass {
    int level = 1;
    std::map<OriginNumber, Sequence> done;
  };

  Retention(Writer& writer, Sealer& sealer, RunReader runs, const RetentionPolicy& policy,
            SpaceBudget space)
      : writer_(writer),
        sealer_(sealer),
        runs_(std::move(runs)),
        policy_(policy),
        space_(std::move(space)) {}

  // What is removed becomes what was.
  Result<void> Enter(const Removal& removal);
  Result<void> MoveHorizon(WallTime wall, MonoTime mono);
  Result<Removal> RemovalOf(OriginNumber origin, const StoredBlock& block);
  // The origin's first records, all of which are in `allowed` and older than `before`.
  Result<std::optional<Removal>> First(OriginNumber origin, const RangeSet& allowed,
                                       WallTime before, const ReadLimits& limits);
  Result<std::optional<Removal>> Oldest(const std::vector<Holding>& holdings, WallTime before);
  // The last sequence of what may be thinned.
  Result<Sequence> ThinUpTo(const Holding& holding, bool spare_newest);
  // The origin's first block behind `done` that is to be thinned; moves `done` up to it.
  Result<std::optional<Removal>> NextToThin(const Holding& holding, WallTime before, Sequence last,
                                            int level, Sequence& done);
  Result<std::optional<Removal>> Thin(const std::vector<Holding>& holdings, WallTime before,
                                      bool spare_newest, ThinningPass& pass);
  Result<std::optional<Removal>> ForSpace(const std::vector<Holding>& holdings, WallTime before);
  Result<void> RemoveRecords(const Removal& removal);
  Result<std::optional<Removal>> Drop(const std::vector<Holding>& holdings, WallTime before);

  Writer& writer_;
  Sealer& sealer_;
  RunReader runs_;
  const RetentionPolicy policy_;
  SpaceBudget space_;
  std::optional<WallTime> horizon_;  // what is older, and delivered, goes
  MonoTime looked_at_;               // when; what is older than the horizon changes slowly
  bool looked_ = false;
  ThinningPass thinning_;         // how far it has come
  ThinningPass chosen_thinning_;  // how far it will have come with what was chosen last
};

}  // namespace doagent::spool
