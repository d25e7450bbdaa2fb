#include "collector/problems.h"

namespace doagent::collector {

void ProblemTracker::Seen(const std::string& collector, const std::string& file,
                          const std::string& message) {
  const auto key = std::make_pair(collector, file);
  auto known = lasting_.find(key);
  if (known == lasting_.end()) {
    if (lasting_.size() >= kProblemsMax) return;
    known = lasting_.emplace(key, State{.message = message}).first;
    Report({collector, file, message, /*ended=*/false});
  }
  known->second.seen = true;
  known->second.good_ticks = 0;
}

void ProblemTracker::EndTick() {
  for (auto it = lasting_.begin(); it != lasting_.end();) {
    auto& [key, state] = *it;
    if (!state.seen && ++state.good_ticks >= kGoodTicksToEnd) {
      Report({key.first, key.second, state.message, /*ended=*/true});
      it = lasting_.erase(it);
      continue;
    }
    state.seen = false;
    ++it;
  }
}

std::vector<Problem> ProblemTracker::Take() {
  return std::exchange(changes_, {});
}

void ProblemTracker::Report(Problem problem) {
  if (changes_.size() < kProblemsMax) changes_.push_back(std::move(problem));
}

}  // namespace doagent::collector
