#include "spool/object_sweep.h"

#include <string_view>
#include <unordered_set>
#include <vector>

#include "spool/block_table.h"
#include "spool/object_codec.h"

namespace doagent::spool {
namespace {

using Numbers = std::unordered_set<std::int64_t>;

// Marks an object and all that it names. What is damaged names nothing that could be read.
class Marker {
 public:
  explicit Marker(ObjectTable& objects) : objects_(objects) {}

  Result<void> Mark(const ObjectId& id) {
    DOAGENT_ASSIGN(const auto number, objects_.Find(id));
    if (!number || !numbers_.insert(*number).second) return {};
    const auto object = objects_.Open(id);
    // A disk that fails once says nothing of what it names.
    if (!object && object.error().code != ErrorCode::kPark) return Fail(object.error());
    if (!object) return {};
    const auto named = Dependencies(object->kind, object->content);
    if (!named) return {};
    for (const ObjectId& dependency : *named) DOAGENT_TRY(Mark(dependency));
    return {};
  }

  const Numbers& numbers() const { return numbers_; }

 private:
  ObjectTable& objects_;
  Numbers numbers_;
};

Result<std::vector<ObjectId>> KeysInUse(Database& database, std::optional<std::int64_t> key) {
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare("SELECT id FROM objects WHERE number = ? OR number IN "
                                  "(SELECT key_object FROM records WHERE key_object IS NOT NULL)"));
  select.Bind(key);
  std::vector<ObjectId> ids;
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return ids;
    if (const auto id = ObjectId::FromBytes(select.Blob(0))) ids.push_back(*id);
  }
}

Result<void> MarkLayoutsOfBlocks(Database& database, Marker& marker) {
  DOAGENT_ASSIGN(Statement select, database.Prepare("SELECT DISTINCT layouts FROM blocks"));
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return {};
    for (const ObjectId& id : SplitIds(select.Blob(0))) DOAGENT_TRY(marker.Mark(id));
  }
}

Result<std::vector<std::int64_t>> AllNumbers(Database& database) {
  DOAGENT_ASSIGN(Statement select, database.Prepare("SELECT number FROM objects"));
  std::vector<std::int64_t> numbers;
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return numbers;
    numbers.push_back(select.Integer(0));
  }
}

}  // namespace

Result<void> SweepObjects(Database& database, ObjectTable& objects,
                          std::optional<std::int64_t> key) {
  Marker marker(objects);
  DOAGENT_ASSIGN(const auto keys, KeysInUse(database, key));
  for (const ObjectId& id : keys) DOAGENT_TRY(marker.Mark(id));
  DOAGENT_TRY(MarkLayoutsOfBlocks(database, marker));

  DOAGENT_ASSIGN(const auto numbers, AllNumbers(database));
  DOAGENT_ASSIGN(Statement remove, database.Prepare("DELETE FROM objects WHERE number = ?"));
  DOAGENT_ASSIGN(Statement remove_copy,
                 database.Prepare("DELETE FROM object_copies WHERE number = ?"));
  for (const std::int64_t number : numbers) {
    if (marker.numbers().contains(number)) continue;
    DOAGENT_TRY(remove.Bind(number).Run());
    DOAGENT_TRY(remove_copy.Bind(number).Run());
  }
  return {};
}

}  // namespace doagent::spool
