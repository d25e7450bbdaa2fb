#include "spool/layout_finder.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace doagent::spool {
namespace {

bool SameSchemas(const Layout& layout, const Snapshot& snapshot) {
  return std::equal(layout.schemas.begin(), layout.schemas.end(), snapshot.sections.begin(),
                    snapshot.sections.end(), [](const SchemaPtr& schema, const Section& section) {
                      return schema == section.schema;
                    });
}

}  // namespace

LayoutFinder::Found LayoutFinder::Find(const Snapshot& snapshot) {
  if (last_ != nullptr && SameSchemas(*last_, snapshot)) return {last_, last_object_};
  auto layout = std::make_shared<Layout>();
  for (std::size_t i = 0; i < snapshot.sections.size(); ++i) {
    const SchemaPtr& schema = snapshot.sections[i].schema;
    const bool known = last_ != nullptr && i < last_->schemas.size() &&
                       (last_->schemas[i] == schema || *last_->schemas[i] == *schema);
    layout->schema_ids.push_back(known ? last_->schema_ids[i] : EncodeSchema(*schema).id);
    layout->schemas.push_back(schema);
    layout->series += schema->size();
  }
  last_object_ = EncodeLayout(layout->schema_ids);
  layout->id = last_object_.id;
  last_ = std::move(layout);
  return {last_, last_object_};
}

}  // namespace doagent::spool
