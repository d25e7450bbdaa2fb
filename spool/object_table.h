// The objects of a spool file: put once, found by id. Every object stands twice, in tables and thus
// on pages of their own, since many rows hang on it; the copy serves when the first is damaged.
// Belongs to its database's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "spool/ids.h"
#include "spool/result.h"
#include "spool/sqlite.h"
#include "spool/stored.h"

namespace doagent::spool {

// An object, decompressed and found to be what its id says.
struct OpenedObject {
  ObjectKind kind = ObjectKind::kSchema;
  std::string content;
};

class ObjectTable {
 public:
  static Result<ObjectTable> Prepare(Database& database);

  // The object's number in this file. Nothing: it is not there.
  Result<std::optional<std::int64_t>> Find(const ObjectId& id);

  // The id that stands under the number. Nothing: there is none.
  Result<std::optional<ObjectId>> IdOf(std::int64_t number);

  // As stored; intact. kPark: damaged in both places, or absent: what names it cannot be decoded.
  // kRetry, kBusy…: as the database says.
  Result<StoredObject> Get(const ObjectId& id);
  Result<OpenedObject> Open(const ObjectId& id);

 private:
  struct Loaded {
    StoredObject stored;
    std::string content;
  };

  ObjectTable(Statement find, Statement select, Statement select_copy);
  Result<Loaded> Load(const ObjectId& id);
  Result<std::optional<Loaded>> LoadFrom(Statement& select, std::int64_t number,
                                         const ObjectId& id);

  Statement find_;
  Statement select_;
  Statement select_copy_;
};

// The writing side.
class ObjectWriter {
 public:
  static Result<ObjectWriter> Prepare(Database& database);

  // REQUIRES a write transaction, and an id that Find does not know. Returns its number.
  Result<std::int64_t> Put(const StoredObject& object);

 private:
  ObjectWriter(Database& database, Statement insert, Statement insert_copy);

  Database* database_;
  Statement insert_;
  Statement insert_copy_;
};

}  // namespace doagent::spool
