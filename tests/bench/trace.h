// A recorded host as the snapshots that a collector would have handed over: data/README.md has the
// format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "spool/model.h"
#include "spool/result.h"

namespace doagent::bench {

struct Trace {
  std::vector<spool::Snapshot> snapshots;
  std::size_t samples = 0;  // present ones, of all snapshots together
};

// Every `step`-th tick of the host's series (not those of the exporter about itself), `ticks` of
// them at most. A section for each first word of the names, such as "memory" of
// "node_memory_MemFree_bytes"; integers recovered.
Result<Trace> LoadTrace(const std::filesystem::path& file, std::size_t step, std::size_t ticks);

}  // namespace doagent::bench
