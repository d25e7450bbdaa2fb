// What one collector is to the scheduler: something that adds samples to its section once a tick.
#pragma once

#include <cstdint>
#include <string>

#include "collector/problems.h"
#include "collector/section_builder.h"
#include "spool/result.h"
#include "spool/time.h"

namespace doagent::collector {

struct Tick {
  std::uint64_t number = 0;  // rises by one
  WallTime wall;
  MonoTime mono;
};

class Source {
 public:
  explicit Source(std::string name) : builder_(std::move(name)) {}
  virtual ~Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  // Called for every source before any Collect of the tick: sets off what takes its time.
  virtual Result<void> Start(const Tick& /*tick*/) { return {}; }

  // Adds this tick's samples. An error makes all of the section's series absent. A file that is
  // not there is no error: its samples are just not added.
  virtual Result<void> Collect(const Tick& tick) = 0;

  // Whether Collect is to be called after those of the others.
  virtual bool IsDeferred() const { return false; }

  // Tells the tracker of what lasts and is not an error of the whole collector.
  virtual void ReportProblems(ProblemTracker& /*problems*/) {}

  SectionBuilder& builder() { return builder_; }

 protected:
  SectionBuilder builder_;
};

}  // namespace doagent::collector
