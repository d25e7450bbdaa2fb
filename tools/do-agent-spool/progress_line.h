// A line that says how far something is, on a terminal alone: written over itself now and then, and
// gone when it is over.
#pragma once

#include <string>

#include "spool/time.h"
#include "tools/do-agent-spool/environment.h"

namespace doagent::spool_tool {

class ProgressLine {
 public:
  // REQUIRES that the environment outlives this.
  explicit ProgressLine(const Environment& environment) : environment_(environment) {}
  ~ProgressLine() { Clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Whether a line is due: there is a terminal, and the last line is half a second old.
  bool Due();
  // REQUIRES Due.
  void Show(const std::string& text);
  // Before something else is printed.
  void Clear();

 private:
  const Environment& environment_;
  WallTime next_;
  bool started_ = false;
  bool shown_ = false;
};

}  // namespace doagent::spool_tool
