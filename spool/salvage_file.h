// Any wreck of a spool into a good one, in another file: what `do-agent-spool salvage` does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "spool/ids.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "spool/time.h"

namespace doagent::spool {

struct SalvagedFile {
  std::uint64_t records = 0;  // taken over
  struct Loss {
    SpoolId spool_id;
    RangeSet sequences;
  };
  std::vector<Loss> losses;  // what should be there and is not
};

// Reads the wreck, which may be in use, and changes nothing of it. `progress` is told how much of
// the work is done, from 0 to 1. kRefuse: there is no wreck, nothing in it was a spool's, or there
// is something at the output already.
Result<SalvagedFile> SalvageFile(const std::filesystem::path& wreck,
                                 const std::filesystem::path& output, WallTime now,
                                 const std::function<void(double)>& progress);

}  // namespace doagent::spool
