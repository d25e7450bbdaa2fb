#include "spool/verify_objects.h"

#include <limits>
#include <utility>

#include "spool/object_codec.h"
#include "spool/read_past_damage.h"

namespace doagent::spool {
namespace {

enum Column { kNumber, kId, kKind, kEncoding, kSize, kPayload };

constexpr const char* kNothingLost = "; nothing is lost yet";

// A damaged size must not make us read what would not fit into memory.
std::string Select(const std::string& table, const std::string& where) {
  static_assert(kObjectBytesMax == 4'194'304);
  return "SELECT number, id, kind, encoding, length(payload), "
         "iif(length(payload) <= 4194304, payload, x'') FROM " +
         table + " WHERE " + where;
}

bool KnownKind(std::int64_t kind) {
  return kind == static_cast<int>(ObjectKind::kSchema) ||
         kind == static_cast<int>(ObjectKind::kKey) ||
         kind == static_cast<int>(ObjectKind::kLayout);
}

bool KnownEncoding(std::int64_t encoding) {
  return encoding == static_cast<int>(Encoding::kPlain) ||
         encoding == static_cast<int>(Encoding::kZstd);
}

ObjectKind KindOfNamed(ObjectKind by) {
  return by == ObjectKind::kKey ? ObjectKind::kLayout : ObjectKind::kSchema;
}

}  // namespace

ObjectVerifier::ObjectVerifier(const VerifyContext& context, Statement select,
                               Statement select_copy, Statement find, Statement find_copy,
                               Statement kind)
    : context_(context),
      select_(std::move(select)),
      select_copy_(std::move(select_copy)),
      find_(std::move(find)),
      find_copy_(std::move(find_copy)),
      kind_(std::move(kind)) {}

Result<ObjectVerifier> ObjectVerifier::Prepare(const VerifyContext& context) {
  const std::string all = "number BETWEEN ? AND ? ORDER BY number";
  Database& database = context.database;
  DOAGENT_ASSIGN(Statement select, database.Prepare(Select("objects", all)));
  DOAGENT_ASSIGN(Statement select_copy, database.Prepare(Select("object_copies", all)));
  DOAGENT_ASSIGN(Statement find, database.Prepare(Select("objects", "number = ?")));
  DOAGENT_ASSIGN(Statement find_copy, database.Prepare(Select("object_copies", "number = ?")));
  DOAGENT_ASSIGN(Statement kind, database.Prepare("SELECT kind FROM objects WHERE id = ?"));
  return ObjectVerifier(context, std::move(select), std::move(select_copy), std::move(find),
                        std::move(find_copy), std::move(kind));
}

ObjectVerifier::Stored ObjectVerifier::Take(const Statement& row) {
  Stored stored;
  stored.there = true;
  const auto id = ObjectId::FromBytes(row.Blob(kId));
  if (!id) {
    stored.wrong = "its id is none";
    return stored;
  }
  stored.object.id = *id;
  if (!KnownKind(row.Integer(kKind))) {
    stored.wrong = "is of an unknown kind, " + std::to_string(row.Integer(kKind));
    return stored;
  }
  if (!KnownEncoding(row.Integer(kEncoding))) {
    stored.wrong = "has an unknown encoding, " + std::to_string(row.Integer(kEncoding));
    return stored;
  }
  if (row.Integer(kSize) > static_cast<std::int64_t>(kObjectBytesMax)) {
    stored.wrong = "is larger than an object may be";
    return stored;
  }
  stored.object.kind = static_cast<ObjectKind>(row.Integer(kKind));
  stored.object.encoding = static_cast<Encoding>(row.Integer(kEncoding));
  stored.object.payload = std::string(row.Blob(kPayload));
  context_.summary.bytes += stored.object.payload.size();
  auto content = OpenObject(stored.object);
  if (!content) {
    stored.wrong = content.error().what;
    return stored;
  }
  stored.whole = true;
  stored.content = *std::move(content);
  return stored;
}

Result<ObjectVerifier::Stored> ObjectVerifier::Find(Statement& find, std::int64_t number) {
  const StatementScope scope(find);
  const auto there = find.Bind(number).Step();
  if (there) return *there ? Take(find) : Stored();
  if (!IsDamage(there.error())) return Fail(there.error());
  Stored unreadable;
  unreadable.there = true;
  unreadable.wrong = "cannot be read: " + there.error().what;
  return unreadable;
}

Result<std::string> ObjectVerifier::ExamineNames(const Stored& stored) {
  const ObjectKind kind = stored.object.kind;
  if (kind == ObjectKind::kSchema) {
    const auto schema = DecodeSchema(stored.content);
    return schema ? std::string() : "cannot be decoded: " + schema.error().what;
  }
  const auto named = Dependencies(kind, stored.content);
  if (!named) return "cannot be decoded: " + named.error().what;
  for (const ObjectId& id : *named) {
    const StatementScope scope(kind_);
    const auto there = kind_.Bind(id.bytes()).Step();
    if (!there && !IsDamage(there.error())) return Fail(there.error());
    if (!there) return "names object " + id.Hex() + ", which cannot be read";
    if (!*there) return "names object " + id.Hex() + ", which is not there";
    if (kind_.Integer(0) != static_cast<int>(KindOfNamed(kind))) {
      return "names object " + id.Hex() + ", which is of another kind than it should be";
    }
  }
  return std::string();
}

Result<void> ObjectVerifier::Examine(const Statement& row) {
  ++context_.summary.objects;
  const std::int64_t number = row.Integer(kNumber);
  const Stored stored = Take(row);
  DOAGENT_ASSIGN(const Stored copy, Find(find_copy_, number));
  std::string place = "object " + std::to_string(number);
  if (stored.whole) place += ", " + stored.object.id.Hex();
  const bool twin = copy.whole && (!stored.whole || copy.object.id == stored.object.id);
  if (!stored.whole) {
    const std::string of_copy =
        twin ? std::string("; its copy is whole") + kNothingLost
             : std::string(copy.there ? "; so is its copy, in its way" : "; it has no copy");
    context_.findings.Add(place, "is damaged: " + stored.wrong + of_copy);
    return {};
  }
  if (!copy.there) {
    context_.findings.Add(place, std::string("has no copy") + kNothingLost);
  } else if (!copy.whole) {
    context_.findings.Add(
        place, "its copy is damaged: " + copy.wrong + "; itself it is whole" + kNothingLost);
  } else if (!twin) {
    context_.findings.Add(place, std::string("its copy is another object") + kNothingLost);
  }
  DOAGENT_ASSIGN(std::string wrong, ExamineNames(stored));
  if (!wrong.empty()) context_.findings.Add(place, std::move(wrong));
  return {};
}

Result<void> ObjectVerifier::ExamineCopy(const Statement& row) {
  const std::int64_t number = row.Integer(kNumber);
  const std::string place = "object " + std::to_string(number);
  bool there = false;
  bool readable = true;
  {
    const StatementScope scope(find_);
    const auto found = find_.Bind(number).Step();
    if (!found && !IsDamage(found.error())) return Fail(found.error());
    readable = found.has_value();
    there = found && *found;
  }
  if (there) return {};  // seen with its object
  const Stored copy = Take(row);
  const std::string of_copy = copy.whole ? std::string("its copy is whole") + kNothingLost
                                         : "its copy is damaged: " + copy.wrong;
  context_.findings.Add(place, (readable ? "is not there; " : "cannot be read; ") + of_copy);
  return {};
}

Result<void> ObjectVerifier::Walk(Statement& select,
                                  Result<void> (ObjectVerifier::*examine)(const Statement&),
                                  const char* table) {
  std::optional<std::int64_t> next = std::numeric_limits<std::int64_t>::min();
  while (next) {
    std::size_t rows = 0;
    std::size_t bytes = 0;
    {
      DOAGENT_ASSIGN([[maybe_unused]] const ReadScope scope, ReadScope::Begin(context_.database));
      const auto visit = [&](const Statement& row) -> Result<bool> {
        DOAGENT_TRY((this->*examine)(row));
        bytes += row.Blob(kPayload).size();
        return ++rows < kVerifyRowsMax && bytes < kVerifyBytesMax;
      };
      const auto unreadable = [&](std::int64_t first, std::int64_t last, const Error& error) {
        context_.findings.Add(std::string("table ") + table + ", " + std::to_string(first) +
                                  " to " + std::to_string(last),
                              "cannot be read: " + error.what);
      };
      DOAGENT_ASSIGN(next, ReadPastDamage(select, *next, std::numeric_limits<std::int64_t>::max(),
                                          visit, unreadable));
    }
    context_.Pause("objects");
  }
  return {};
}

Result<void> ObjectVerifier::Verify() {
  DOAGENT_TRY(Walk(select_, &ObjectVerifier::Examine, "objects"));
  return Walk(select_copy_, &ObjectVerifier::ExamineCopy, "object_copies");
}

}  // namespace doagent::spool
