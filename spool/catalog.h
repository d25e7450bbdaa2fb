// Decoded objects, kept while they are of use: key sets with their keys and schemas. Bounded: the
// least recently used key sets go first, and with them what only they hold. Belongs to its
// database's thread.
#pragma once

#include <list>
#include <memory>
#include <unordered_map>

#include "spool/ids.h"
#include "spool/object_codec.h"
#include "spool/object_table.h"
#include "spool/result.h"

namespace doagent::spool {

class Catalog {
 public:
  explicit Catalog(ObjectTable& objects) : objects_(objects) {}

  // kPark: it, or something that it names, is not there or not what it should be.
  Result<KeySetPtr> FindKeySet(const ObjectId& id);

 private:
  Result<SchemaPtr> FindSchema(const ObjectId& id);
  Result<KeySetPtr> LoadKeySet(const ObjectId& id);
  void Evict();

  struct Entry {
    ObjectId id;
    KeySetPtr key_set;
    std::size_t weight = 0;  // series and labels
  };

  ObjectTable& objects_;
  std::list<Entry> recent_;  // the last used first
  std::size_t weight_ = 0;   // of all of them
  std::unordered_map<ObjectId, std::list<Entry>::iterator, ObjectId::Hash> by_id_;
  std::unordered_map<ObjectId, std::weak_ptr<const Schema>, ObjectId::Hash> schemas_;
};

}  // namespace doagent::spool
