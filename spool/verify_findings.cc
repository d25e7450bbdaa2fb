#include "spool/verify_findings.h"

namespace doagent::spool {
namespace {

// What is said once is about tables; of more than so many different things nobody reads.
constexpr std::size_t kToldMax = 1000;

}  // namespace

void FindingQueue::Add(std::string place, std::string what) {
  ++count_;
  waiting_.push_back({std::move(place), std::move(what)});
}

void FindingQueue::AddOnce(std::string place, std::string what) {
  if (told_.size() >= kToldMax || !told_.emplace(place, what).second) return;
  Add(std::move(place), std::move(what));
}

void FindingQueue::Report() {
  for (const Finding& finding : waiting_) observer_.finding(finding);
  waiting_.clear();
}

}  // namespace doagent::spool
