#include "tests/support/object_set.h"

#include <string>
#include <utility>

namespace doagent::test {

using spool::KeySet;
using spool::KeyValues;

void ObjectSet::Add(const std::vector<spool::StoredObject>& objects) {
  for (const auto& object : objects) objects_[object.id] = object;
}

Result<KeySet> ObjectSet::FindKeySet(const ObjectId& id) const {
  DOAGENT_ASSIGN(const std::string content, spool::OpenObject(objects_.at(id)));
  DOAGENT_ASSIGN(const spool::KeySetNames names, spool::DecodeKeySetNames(content));
  KeySet key_set{names.incarnation, names.boot_id, names.clock_offset_ns, {}, 0};
  for (const auto& key_id : names.keys) {
    DOAGENT_ASSIGN(const std::string key, spool::OpenObject(objects_.at(key_id)));
    DOAGENT_ASSIGN(const ObjectId schema_id, spool::SchemaOfKey(key));
    DOAGENT_ASSIGN(const std::string schema_content, spool::OpenObject(objects_.at(schema_id)));
    DOAGENT_ASSIGN(spool::SchemaPtr schema, spool::DecodeSchema(schema_content));
    key_set.series += schema->size();
    DOAGENT_ASSIGN(KeyValues values, spool::DecodeKey(key, schema));
    key_set.keys.push_back(std::move(values));
  }
  return key_set;
}

}  // namespace doagent::test
