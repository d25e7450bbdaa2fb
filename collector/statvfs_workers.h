// statvfs(2) for every mount, off the collector's thread: on a dead network file system the call
// does not return for hours, and nothing may delay the tick.
//
// One worker thread asks about all paths in turn, once a round. A path that has kept it since the
// last round keeps that thread for itself; another thread takes over the rest. The path is not
// asked about again before its call returns, so that it never holds more than one thread, and a
// thread that was left aside ends when its call returns. At most kThreadsMax threads exist.
//
// All functions are for one thread, the collector's. Destruction waits for nobody: threads that
// are inside a call share what they need, and end after it.
#pragma once

#include <sys/statvfs.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "spool/result.h"
#include "spool/time.h"

namespace doagent::collector {

class StatvfsWorkers {
 public:
  using Statvfs = std::function<int(const char*, struct statvfs*)>;

  static constexpr std::size_t kThreadsMax = 128;

  // What is known of a path: the newest answer, and whether the call under way is overdue.
  struct Reply {
    bool is_stuck = false;
    bool is_answered = false;
    int error = 0;  // errno of the call, or 0
    struct statvfs usage = {};
  };

  StatvfsWorkers(Statvfs statvfs, Nanoseconds stuck_after);
  ~StatvfsWorkers();
  StatvfsWorkers(const StatvfsWorkers&) = delete;
  StatvfsWorkers& operator=(const StatvfsWorkers&) = delete;

  // The paths to ask about from now on. What is known of those that were there before stays.
  // REQUIRES that none is there twice.
  void SetPaths(const std::vector<std::string>& paths);

  // Starts a round. An error: no thread could be started, or kThreadsMax of them are stuck.
  Result<void> Ask();

  // Waits until every path of the round has been answered, but not longer than `at_most`. With
  // `overtake` those behind a slow path are asked meanwhile by a thread of their own, and whoever
  // has not answered at the end counts as stuck at once.
  void Wait(Nanoseconds at_most, bool overtake);

  // Fills `replies`, one for each path. A call that was already seen to be under way
  // `stuck_after` before `now` is stuck.
  void Get(MonoTime now, std::vector<Reply>& replies);

 private:
  struct Shared;
  struct Slot;
  struct Thread;

  Result<void> StartThread();
  Result<void> LeaveAside();

  std::shared_ptr<Shared> shared_;
  std::vector<std::shared_ptr<Slot>> slots_;  // one for each path
  std::vector<std::shared_ptr<Slot>> lost_;   // under way, and no longer among the paths
  const Nanoseconds stuck_after_;
};

}  // namespace doagent::collector
