#include "spool/catalog.h"

#include <utility>

namespace doagent::spool {
namespace {

// Records come in order, so two or three key sets are in use at a time; a receiver has that many
// for every agent.
constexpr std::size_t kKeySetsMax = 64;
// Series and labels of all of them, some 50 bytes each; the last used one is kept in any case.
constexpr std::size_t kWeightMax = 2'000'000;

std::size_t WeightOf(const KeySet& key_set) {
  std::size_t weight = 1;
  for (const auto& key : key_set.keys) {
    for (const auto& series : key.schema->series()) weight += 1 + series.labels.size();
  }
  return weight;
}

Result<OpenedObject> OpenAs(ObjectTable& objects, ObjectKind kind, const ObjectId& id) {
  DOAGENT_ASSIGN(OpenedObject object, objects.Open(id));
  if (object.kind != kind) {
    return Fail(ErrorCode::kPark, "object " + id.Hex(),
                "is of another kind than what names it says");
  }
  return object;
}

}  // namespace

Result<SchemaPtr> Catalog::FindSchema(const ObjectId& id) {
  auto& known = schemas_[id];
  if (auto schema = known.lock()) return schema;
  auto object = OpenAs(objects_, ObjectKind::kSchema, id);
  if (!object) {
    schemas_.erase(id);
    return Fail(std::move(object).error());
  }
  DOAGENT_ASSIGN(SchemaPtr schema, DecodeSchema(object->content));
  schemas_[id] = schema;
  return schema;
}

Result<KeySetPtr> Catalog::LoadKeySet(const ObjectId& id) {
  DOAGENT_ASSIGN(const OpenedObject object, OpenAs(objects_, ObjectKind::kKeySet, id));
  DOAGENT_ASSIGN(const KeySetNames names, DecodeKeySetNames(object.content));
  auto key_set = std::make_shared<KeySet>();
  key_set->incarnation = names.incarnation;
  key_set->boot_id = names.boot_id;
  key_set->clock_offset_ns = names.clock_offset_ns;
  for (const ObjectId& key_id : names.keys) {
    DOAGENT_ASSIGN(const OpenedObject key, OpenAs(objects_, ObjectKind::kKey, key_id));
    DOAGENT_ASSIGN(const ObjectId schema_id, SchemaOfKey(key.content));
    DOAGENT_ASSIGN(SchemaPtr schema, FindSchema(schema_id));
    key_set->series += schema->size();
    if (key_set->series > kSeriesMax) {
      return Fail(ErrorCode::kPark, "key set " + id.Hex(), "has too many series");
    }
    DOAGENT_ASSIGN(KeyValues values, DecodeKey(key.content, std::move(schema)));
    key_set->keys.push_back(std::move(values));
  }
  return key_set;
}

Result<KeySetPtr> Catalog::FindKeySet(const ObjectId& id) {
  if (const auto found = by_id_.find(id); found != by_id_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    return found->second->key_set;
  }
  DOAGENT_ASSIGN(KeySetPtr key_set, LoadKeySet(id));
  recent_.push_front({id, key_set, WeightOf(*key_set)});
  by_id_[id] = recent_.begin();
  weight_ += recent_.front().weight;
  if (recent_.size() > kKeySetsMax || weight_ > kWeightMax) Evict();
  return key_set;
}

void Catalog::Evict() {
  while (recent_.size() > kKeySetsMax || (recent_.size() > 1 && weight_ > kWeightMax)) {
    weight_ -= recent_.back().weight;
    by_id_.erase(recent_.back().id);
    recent_.pop_back();
  }
  std::erase_if(schemas_, [](const auto& entry) { return entry.second.expired(); });
}

}  // namespace doagent::spool
