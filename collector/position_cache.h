// What was worked out for each entry of a kernel file (whether a filter accepts it, its label as
// valid UTF-8, …), remembered by the entry's place in the file.
//
// The files list the same entries in the same order tick after tick, so a comparison of the key
// replaces a lookup. The keys stand one behind the other in one piece of memory: after a second of
// idling nothing is in the CPU's caches, and what is scattered costs more than what is compared.
// Where an entry comes or goes, those behind it are worked out again, once; so the cache is never
// larger than the file. Not thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace doagent::collector {

template <typename Value>
class PositionCache {
 public:
  // Back to the first entry.
  void Begin() { position_ = 0; }

  // The value for the next entry: that of the last pass if it had the same key, else make(). Valid
  // until the next call.
  template <typename Make>
  Value& Next(std::string_view key, Make make) {
    if (position_ < entries_.size() && KeyOf(position_) != key) Truncate(position_);
    if (position_ == entries_.size()) {
      entries_.push_back({keys_.size(), key.size(), make()});
      keys_ += key;
    }
    return entries_[position_++].value;
  }

  // Forgets what is behind the last entry of this pass.
  void End() { Truncate(position_); }

 private:
  struct Entry {
    std::size_t key_begin;  // in keys_
    std::size_t key_size;
    Value value;
  };

  std::string_view KeyOf(std::size_t position) const {
    const Entry& entry = entries_[position];
    return std::string_view(keys_).substr(entry.key_begin, entry.key_size);
  }

  void Truncate(std::size_t count) {
    if (count == entries_.size()) return;
    keys_.resize(entries_[count].key_begin);
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(count), entries_.end());
  }

  std::vector<Entry> entries_;
  std::string keys_;
  std::size_t position_ = 0;
};

}  // namespace doagent::collector
