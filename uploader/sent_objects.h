// Which objects the receiver was sent in this session, so that it is not sent them again.
//
// Bounded: when it is full it forgets everything, and objects go out once more, which is harmless.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <unordered_set>
#include <vector>

#include "spool/ids.h"

namespace doagent::uploader {

class SentObjects {
 public:
  static constexpr std::size_t kIdsMax = 4096;

  bool Contains(const ObjectId& id) const { return ids_.contains(id); }
  std::size_t size() const { return ids_.size(); }

  void Add(const std::vector<ObjectId>& ids) {
    if (ids_.size() + ids.size() > kIdsMax) ids_.clear();
    for (const auto& id : ids) {
      if (ids_.size() == kIdsMax) return;
      ids_.insert(id);
    }
  }
  void Forget(const std::vector<ObjectId>& ids) {
    for (const auto& id : ids) ids_.erase(id);
  }

 private:
  std::unordered_set<ObjectId, ObjectId::Hash> ids_;
};

}  // namespace doagent::uploader
