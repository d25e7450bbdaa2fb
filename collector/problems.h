// What goes wrong for longer than a moment, said once when it begins and once when it ends, so
// that a log gets two lines instead of one a tick. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace doagent::collector {

// A change of state that the program should log.
struct Problem {
  std::string collector;
  std::string file;  // the file or mount point concerned
  std::string message;
  bool ended = false;  // false: it began

  friend bool operator==(const Problem&, const Problem&) = default;
};

class ProblemTracker {
 public:
  // So many good ticks in a row end a problem: one that comes and goes is one problem.
  static constexpr std::uint32_t kGoodTicksToEnd = 3;
  // Problems tracked, and changes kept for Take, at most: further ones are only counted.
  static constexpr std::size_t kProblemsMax = 256;

  // To be called every tick for as long as the problem lasts. The message of the first call is the
  // one reported.
  void Seen(const std::string& collector, const std::string& file, const std::string& message);

  // Ends a tick: problems not seen in it come closer to their end.
  void EndTick();

  // The changes since the last call, oldest first.
  std::vector<Problem> Take();

 private:
  struct State {
    std::string message;
    std::uint32_t good_ticks = 0;
    bool seen = false;
  };
  void Report(Problem problem);

  std::map<std::pair<std::string, std::string>, State> lasting_;  // by collector and file
  std::vector<Problem> changes_;
};

}  // namespace doagent::collector
