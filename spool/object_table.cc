#include "spool/object_table.h"

#include <utility>

#include "spool/object_codec.h"

namespace doagent::spool {

ObjectTable::ObjectTable(Statement find, Statement select, Statement select_copy)
    : find_(std::move(find)), select_(std::move(select)), select_copy_(std::move(select_copy)) {}

Result<ObjectTable> ObjectTable::Prepare(Database& database) {
  DOAGENT_ASSIGN(Statement find, database.Prepare("SELECT number FROM objects WHERE id = ?"));
  DOAGENT_ASSIGN(Statement select, database.Prepare("SELECT id, kind, encoding, payload "
                                                    "FROM objects WHERE number = ?"));
  DOAGENT_ASSIGN(Statement select_copy, database.Prepare("SELECT id, kind, encoding, payload "
                                                         "FROM object_copies WHERE number = ?"));
  return ObjectTable(std::move(find), std::move(select), std::move(select_copy));
}

Result<std::optional<std::int64_t>> ObjectTable::Find(const ObjectId& id) {
  const StatementScope scope(find_);
  DOAGENT_ASSIGN(const bool there, find_.Bind(id.bytes()).Step());
  if (!there) return std::nullopt;
  return find_.Integer(0);
}

Result<std::optional<ObjectId>> ObjectTable::IdOf(std::int64_t number) {
  const StatementScope scope(select_);
  DOAGENT_ASSIGN(const bool there, select_.Bind(number).Step());
  if (!there) return std::nullopt;
  return ObjectId::FromBytes(select_.Blob(0));
}

Result<std::optional<ObjectTable::Loaded>> ObjectTable::LoadFrom(Statement& select,
                                                                 std::int64_t number,
                                                                 const ObjectId& id) {
  const StatementScope scope(select);
  DOAGENT_ASSIGN(const bool there, select.Bind(number).Step());
  if (!there || select.Blob(0) != id.bytes()) return std::nullopt;
  Loaded loaded;
  loaded.stored = {id, static_cast<ObjectKind>(select.Integer(1)),
                   static_cast<Encoding>(select.Integer(2)), std::string(select.Blob(3))};
  auto content = OpenObject(loaded.stored);
  if (!content) return std::nullopt;
  loaded.content = *std::move(content);
  return loaded;
}

Result<ObjectTable::Loaded> ObjectTable::Load(const ObjectId& id) {
  DOAGENT_ASSIGN(const auto number, Find(id));
  if (!number) return Fail(ErrorCode::kPark, "object " + id.Hex(), "is not there");
  auto first = LoadFrom(select_, *number, id);
  if (first && *first) return **std::move(first);
  // A page that is damaged may hold the one and not the other.
  if (!first && first.error().code != ErrorCode::kSalvage) return Fail(std::move(first).error());
  DOAGENT_ASSIGN(auto copy, LoadFrom(select_copy_, *number, id));
  if (copy) return *std::move(copy);
  return Fail(ErrorCode::kPark, "object " + id.Hex(), "is damaged, and so is its copy");
}

Result<StoredObject> ObjectTable::Get(const ObjectId& id) {
  DOAGENT_ASSIGN(Loaded loaded, Load(id));
  return std::move(loaded.stored);
}

Result<OpenedObject> ObjectTable::Open(const ObjectId& id) {
  DOAGENT_ASSIGN(Loaded loaded, Load(id));
  return OpenedObject{loaded.stored.kind, std::move(loaded.content)};
}

ObjectWriter::ObjectWriter(Database& database, Statement insert, Statement insert_copy)
    : database_(&database), insert_(std::move(insert)), insert_copy_(std::move(insert_copy)) {}

Result<ObjectWriter> ObjectWriter::Prepare(Database& database) {
  DOAGENT_ASSIGN(Statement insert,
                 database.Prepare("INSERT INTO objects(id, kind, encoding, payload) "
                                  "VALUES(?, ?, ?, ?)"));
  DOAGENT_ASSIGN(Statement insert_copy,
                 database.Prepare("INSERT OR REPLACE INTO object_copies"
                                  "(number, id, kind, encoding, payload) VALUES(?, ?, ?, ?, ?)"));
  return ObjectWriter(database, std::move(insert), std::move(insert_copy));
}

Result<std::int64_t> ObjectWriter::Put(const StoredObject& object) {
  const auto kind = static_cast<int>(object.kind);
  const auto encoding = static_cast<int>(object.encoding);
  const std::string_view payload(object.payload);
  DOAGENT_TRY(insert_.Bind(object.id.bytes(), kind, encoding, payload).Run());
  const std::int64_t number = database_->LastInsertId();
  DOAGENT_TRY(insert_copy_.Bind(number, object.id.bytes(), kind, encoding, payload).Run());
  return number;
}

}  // namespace doagent::spool
