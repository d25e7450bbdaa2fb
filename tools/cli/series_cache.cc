#include "tools/cli/series_cache.h"

#include <utility>

namespace doagent::cli {

SeriesCache::SeriesCache(Select select, Render render)
    : select_(std::move(select)), render_(std::move(render)) {}

const SeriesTexts& SeriesCache::Of(const spool::SchemaPtr& schema) {
  if (const auto found = texts_.find(schema.get()); found != texts_.end()) return found->second;
  if (texts_.size() >= kSchemasMax || bytes_ >= kTextBytesMax) {
    texts_.clear();
    bytes_ = 0;
  }
  SeriesTexts& texts = texts_[schema.get()];
  texts.schema_ = schema;
  for (std::size_t i = 0; i < schema->size(); ++i) {
    if (!select_(*schema, i)) continue;
    render_(*schema, i, texts.text_);
    texts.entries_.push_back({static_cast<std::uint32_t>(i), texts.text_.size()});
  }
  bytes_ += texts.text_.size() + texts.entries_.size() * sizeof(SeriesTexts::Entry);
  return texts;
}

}  // namespace doagent::cli
