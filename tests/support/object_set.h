// Objects by id, opened with the spool's own decoders: what a receiver of rows has at hand.
#pragma once

#include <map>
#include <vector>

#include "spool/object_codec.h"
#include "spool/result.h"
#include "spool/stored.h"

namespace doagent::test {

class ObjectSet {
 public:
  void Add(const std::vector<spool::StoredObject>& objects);

  // REQUIRES that the object and all it names were added.
  Result<spool::LayoutPtr> FindLayout(const ObjectId& id) const;
  Result<spool::Key> FindKey(const ObjectId& id) const;

 private:
  std::map<ObjectId, spool::StoredObject> objects_;
};

}  // namespace doagent::test
