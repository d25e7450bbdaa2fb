// A bounded cache by object id: when it holds too many, or weighs too much, the least recently used
// go first; the last used stays in any case. Not thread-safe.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <unordered_map>
#include <utility>

#include "spool/ids.h"

namespace doagent::spool {

template <typename T>
class RecentlyUsed {
 public:
  using Pointer = std::shared_ptr<const T>;

  RecentlyUsed(std::size_t count_max, std::size_t weight_max)
      : count_max_(count_max), weight_max_(weight_max) {}

  // Null: not here.
  Pointer Find(const ObjectId& id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->value;
  }

  // REQUIRES that Find does not know the id.
  void Put(const ObjectId& id, Pointer value, std::size_t weight) {
    entries_.push_front({id, std::move(value), weight});
    by_id_[id] = entries_.begin();
    weight_ += weight;
    while (entries_.size() > 1 && (entries_.size() > count_max_ || weight_ > weight_max_)) {
      weight_ -= entries_.back().weight;
      by_id_.erase(entries_.back().id);
      entries_.pop_back();
    }
  }

 private:
  struct Entry {
    ObjectId id;
    Pointer value;
    std::size_t weight = 0;
  };

  const std::size_t count_max_;
  const std::size_t weight_max_;
  std::list<Entry> entries_;  // the last used first
  std::size_t weight_ = 0;    // of all of them
  std::unordered_map<ObjectId, typename std::list<Entry>::iterator, ObjectId::Hash> by_id_;
};

}  // namespace doagent::spool
