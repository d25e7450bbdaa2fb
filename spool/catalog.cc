#include "spool/catalog.h"

#include <utility>

namespace doagent::spool {
namespace {

// Records come in order, so two or three keys are in use at a time, of one layout; a receiver has
// that many for every agent.
constexpr std::size_t kEntriesMax = 64;
// Series and labels of all layouts, some 50 bytes each; series of all keys, 9 bytes each.
constexpr std::size_t kLayoutWeightMax = 2'000'000;
constexpr std::size_t kKeyWeightMax = 1'000'000;

std::size_t WeightOf(const Layout& layout) {
  std::size_t weight = 1;
  for (const auto& schema : layout.schemas) {
    for (const auto& series : schema->series()) weight += 1 + series.labels.size();
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

Catalog::Catalog(ObjectTable& objects)
    : objects_(objects),
      keys_(kEntriesMax, kKeyWeightMax),
      layouts_(kEntriesMax, kLayoutWeightMax) {}

Result<SchemaPtr> Catalog::FindSchema(const ObjectId& id) {
  if (const auto known = schemas_.find(id); known != schemas_.end()) {
    if (auto schema = known->second.lock()) return schema;
  }
  DOAGENT_ASSIGN(const OpenedObject object, OpenAs(objects_, ObjectKind::kSchema, id));
  DOAGENT_ASSIGN(SchemaPtr schema, DecodeSchema(object.content));
  schemas_[id] = schema;
  return schema;
}

Result<LayoutPtr> Catalog::LoadLayout(const ObjectId& id) {
  DOAGENT_ASSIGN(const OpenedObject object, OpenAs(objects_, ObjectKind::kLayout, id));
  auto layout = std::make_shared<Layout>();
  layout->id = id;
  DOAGENT_ASSIGN(layout->schema_ids, DecodeLayout(object.content));
  for (const ObjectId& schema_id : layout->schema_ids) {
    DOAGENT_ASSIGN(SchemaPtr schema, FindSchema(schema_id));
    layout->series += schema->size();
    if (layout->series > kSeriesMax) {
      return Fail(ErrorCode::kPark, "layout " + id.Hex(), "has too many series");
    }
    layout->schemas.push_back(std::move(schema));
  }
  return layout;
}

Result<LayoutPtr> Catalog::FindLayout(const ObjectId& id) {
  if (auto known = layouts_.Find(id)) return known;
  DOAGENT_ASSIGN(LayoutPtr layout, LoadLayout(id));
  layouts_.Put(id, layout, WeightOf(*layout));
  std::erase_if(schemas_, [](const auto& entry) { return entry.second.expired(); });
  return layout;
}

Result<std::vector<LayoutPtr>> Catalog::FindLayouts(const std::vector<ObjectId>& ids) {
  std::vector<LayoutPtr> layouts;
  for (const ObjectId& id : ids) {
    DOAGENT_ASSIGN(LayoutPtr layout, FindLayout(id));
    layouts.push_back(std::move(layout));
  }
  return layouts;
}

Result<KeyPtr> Catalog::LoadKey(const ObjectId& id) {
  DOAGENT_ASSIGN(const OpenedObject object, OpenAs(objects_, ObjectKind::kKey, id));
  DOAGENT_ASSIGN(const ObjectId layout_id, LayoutOfKey(object.content));
  DOAGENT_ASSIGN(LayoutPtr layout, FindLayout(layout_id));
  DOAGENT_ASSIGN(Key key, DecodeKey(object.content, std::move(layout)));
  return std::make_shared<const Key>(std::move(key));
}

Result<KeyPtr> Catalog::FindKey(const ObjectId& id) {
  if (auto known = keys_.Find(id)) return known;
  DOAGENT_ASSIGN(KeyPtr key, LoadKey(id));
  keys_.Put(id, key, key->layout->series + 1);
  return key;
}

}  // namespace doagent::spool
