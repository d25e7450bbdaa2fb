// The scheduler of the collectors: one call a tick reads the whole host into a snapshot.
//
// A snapshot has a section for each collector that found something to report, and at last one named
// "scrape" with the success and duration of each. A collector whose
// files are not there reports nothing and is content; one whose files cannot be read or make no
// sense fails: its series are absent and its success is 0, while the others go on.
//
// Not thread-safe. Destruction waits for nothing, not even for a file system that hangs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collector/options.h"
#include "collector/problems.h"
#include "spool/ids.h"
#include "spool/model.h"
#include "spool/result.h"
#include "spool/time.h"

namespace doagent::collector {

// All collectors with their options and defaults, by name.
std::vector<CollectorInfo> AvailableCollectors();
// The names of those that run with these options.
std::vector<std::string> EnabledCollectors(const CollectorOptions& options);

class Collector {
 public:
  // Refuses a procfs that is not a directory, unknown collectors and options, and values that make
  // no sense; the error's `where` names the option, such as "collector.netdev.device-include".
  static Result<std::unique_ptr<Collector>> Create(CollectorOptions options);

  ~Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  // Fills `out` with what the host says now. The times are those that the snapshot gets. The
  // storage of `out` is reused: with the snapshot of the tick before, nothing is allocated as long
  // as the set of series stays the same.
  void Collect(WallTime wall, MonoTime mono, BootId boot_id, spool::Snapshot& out);

  // What began or ended to go wrong since the last call, for the program to log.
  std::vector<Problem> TakeStateChanges();

 private:
  class Impl;
  explicit Collector(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace doagent::collector
