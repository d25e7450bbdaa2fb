// What a verification finds, held back while a read transaction is open: whoever hears of it may
// take long (a terminal, a pipe), and the owner's log cannot be reset meanwhile. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "spool/result.h"
#include "spool/verifier.h"

namespace doagent::spool {

// Whether an error tells of damage, which is what a verification looks for, or keeps it from
// looking (I/O errors, a lock).
inline bool IsDamage(const Error& error) {
  return error.code == ErrorCode::kSalvage || error.code == ErrorCode::kPark;
}

class FindingQueue {
 public:
  explicit FindingQueue(const VerifyObserver& observer) : observer_(observer) {}

  void Add(std::string place, std::string what);
  // The same, but only once: for what every record would tell again.
  void AddOnce(std::string place, std::string what);
  // Hands over what was added. REQUIRES no open read transaction.
  void Report();

  std::uint64_t count() const { return count_; }

 private:
  const VerifyObserver& observer_;
  std::vector<Finding> waiting_;
  std::set<std::pair<std::string, std::string>> told_;  // by AddOnce; of a bounded number
  std::uint64_t count_ = 0;
};

}  // namespace doagent::spool
