// The part that text, JSON and CSV have in common: walking a snapshot's selected samples with their
// cached texts.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "spool/model.h"
#include "tools/cli/selector.h"
#include "tools/cli/series_cache.h"

namespace doagent::cli {

// REQUIRES the selectors to outlive it.
inline SeriesCache::Select SelectBy(const std::vector<Selector>& selectors) {
  return [&selectors](const spool::Schema& schema, std::size_t series) {
    return AnyMatches(selectors, schema, series);
  };
}

// Calls visit(text, representation, bits) for every sample that is there and selected.
template <typename Visit>
void ForEachSample(const spool::Snapshot& snapshot, SeriesCache& cache, const Visit& visit) {
  for (const spool::Section& section : snapshot.sections) {
    const SeriesTexts& texts = cache.Of(section.schema);
    for (std::size_t i = 0; i < texts.entries().size(); ++i) {
      const std::size_t series = texts.entries()[i].series;
      if (section.present[series] == 0) continue;
      visit(texts.text(i), section.schema->family_of(series).representation,
            section.values[series]);
    }
  }
}

}  // namespace doagent::cli
