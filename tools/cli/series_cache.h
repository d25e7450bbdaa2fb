// What is computed once per schema and used for every snapshot of it: which of its series are
// selected, and the text that stands for each. It makes a sample cost one copy and one number.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "spool/model.h"

namespace doagent::cli {

class SeriesTexts {
 public:
  struct Entry {
    std::uint32_t series;  // index into the schema's series
    std::size_t end;       // of its text, which begins where the entry before ends
  };

  // The selected series, in the schema's order.
  const std::vector<Entry>& entries() const { return entries_; }
  // The text of entries()[i].
  std::string_view text(std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : entries_[i - 1].end;
    return std::string_view(text_).substr(begin, entries_[i].end - begin);
  }

 private:
  friend class SeriesCache;

  spool::SchemaPtr schema_;  // kept, so that its address stays its own
  std::vector<Entry> entries_;
  std::string text_;
};

class SeriesCache {
 public:
  using Render = std::function<void(const spool::Schema&, std::size_t series, std::string& out)>;
  using Select = std::function<bool(const spool::Schema&, std::size_t series)>;

  SeriesCache(Select select, Render render);

  // Valid until the next call.
  const SeriesTexts& Of(const spool::SchemaPtr& schema);

 private:
  // Beyond this the cache starts afresh: a receiver's spool may hold any number of schemas.
  static constexpr std::size_t kTextBytesMax = 64 << 20;
  static constexpr std::size_t kSchemasMax = 4096;

  Select select_;
  Render render_;
  std::unordered_map<const spool::Schema*, SeriesTexts> texts_;
  std::size_t bytes_ = 0;
};

}  // namespace doagent::cli
