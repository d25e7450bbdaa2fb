#include "tests/support/object_set.h"

#include <memory>
#include <string>
#include <utility>

namespace doagent::test {

void ObjectSet::Add(const std::vector<spool::StoredObject>& objects) {
  for (const auto& object : objects) objects_[object.id] = object;
}

Result<spool::LayoutPtr> ObjectSet::FindLayout(const ObjectId& id) const {
  DOAGENT_ASSIGN(const std::string content, spool::OpenObject(objects_.at(id)));
  auto layout = std::make_shared<spool::Layout>();
  layout->id = id;
  DOAGENT_ASSIGN(layout->schema_ids, spool::DecodeLayout(content));
  for (const auto& schema_id : layout->schema_ids) {
    DOAGENT_ASSIGN(const std::string schema_content, spool::OpenObject(objects_.at(schema_id)));
    DOAGENT_ASSIGN(spool::SchemaPtr schema, spool::DecodeSchema(schema_content));
    layout->series += schema->size();
    layout->schemas.push_back(std::move(schema));
  }
  return layout;
}

Result<spool::Key> ObjectSet::FindKey(const ObjectId& id) const {
  DOAGENT_ASSIGN(const std::string content, spool::OpenObject(objects_.at(id)));
  DOAGENT_ASSIGN(const ObjectId layout_id, spool::LayoutOfKey(content));
  DOAGENT_ASSIGN(spool::LayoutPtr layout, FindLayout(layout_id));
  return spool::DecodeKey(content, std::move(layout));
}

}  // namespace doagent::test
