// Decoded objects, kept while they are of use: keys, layouts and the schemas that these hold.
// Bounded. Belongs to its database's thread.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "spool/ids.h"
#include "spool/object_codec.h"
#include "spool/object_table.h"
#include "spool/recently_used.h"
#include "spool/result.h"

namespace doagent::spool {

class Catalog {
 public:
  explicit Catalog(ObjectTable& objects);

  // kPark: it, or something that it names, is not there or not what it should be.
  Result<KeyPtr> FindKey(const ObjectId& id);
  Result<LayoutPtr> FindLayout(const ObjectId& id);
  Result<std::vector<LayoutPtr>> FindLayouts(const std::vector<ObjectId>& ids);

 private:
  Result<SchemaPtr> FindSchema(const ObjectId& id);
  Result<LayoutPtr> LoadLayout(const ObjectId& id);
  Result<KeyPtr> LoadKey(const ObjectId& id);

  ObjectTable& objects_;
  RecentlyUsed<Key> keys_;
  RecentlyUsed<Layout> layouts_;
  std::unordered_map<ObjectId, std::weak_ptr<const Schema>, ObjectId::Hash> schemas_;
};

}  // namespace doagent::spool
