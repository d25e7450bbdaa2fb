// The layout of consecutive snapshots. Remembers the last one, which mostly fits: schemas change
// rarely, and to encode one again costs more than a row does. Not thread-safe.
#pragma once

#include "spool/model.h"
#include "spool/object_codec.h"
#include "spool/stored.h"

namespace doagent::spool {

class LayoutFinder {
 public:
  // Valid until the next call.
  struct Found {
    const LayoutPtr& layout;
    const StoredObject& object;  // that holds the layout; the schemas that it names are objects too
  };
  Found Find(const Snapshot& snapshot);

 private:
  LayoutPtr last_;
  StoredObject last_object_;
};

}  // namespace doagent::spool
