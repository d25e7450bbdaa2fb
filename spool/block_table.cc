#include "spool/block_table.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace doagent::spool {
namespace {

std::string JoinIds(const std::vector<ObjectId>& ids) {
  std::string joined;
  for (const ObjectId& id : ids) joined += id.bytes();
  return joined;
}

// Since blocks do not overlap, only the last one that begins at or before `first` can reach it.
Result<Statement> PrepareFind(Database& database, std::string_view payload) {
  return database.Prepare(
      "SELECT id, last, first_time_unix_ns, last_time_unix_ns, encoding, checksum, holes, "
      "layouts, " +
      std::string(payload) +
      " FROM blocks WHERE id BETWEEN "
      "coalesce((SELECT max(id) FROM blocks WHERE id BETWEEN ?1 AND ?2), ?2) AND ?3 "
      "AND last >= ?4 ORDER BY id LIMIT 1");
}

StoredBlock BlockAt(const Statement& select) {
  StoredBlock block;
  block.range = {SequenceOf(select.Integer(0)), static_cast<Sequence>(select.Integer(1))};
  block.first_time_unix_ns = select.Integer(2);
  block.last_time_unix_ns = select.Integer(3);
  block.encoding = static_cast<Encoding>(select.Integer(4));
  block.checksum = static_cast<std::uint64_t>(select.Integer(5));
  block.holes = std::string(select.Blob(6));
  block.layouts = SplitIds(select.Blob(7));
  block.payload = std::string(select.Blob(8));
  return block;
}

Result<std::optional<StoredBlock>> FindWith(Statement& select, OriginNumber origin, Sequence first,
                                            Sequence last) {
  const StatementScope scope(select);
  // Where the first block may begin: before `first`, too, unless that is a damaged one.
  for (Sequence lowest = 0, highest = first;;) {
    select.Bind(PackId(origin, lowest), PackId(origin, highest), PackId(origin, last), first);
    DOAGENT_ASSIGN(const bool there, select.Step());
    if (!there) return std::nullopt;
    StoredBlock block = BlockAt(select);
    if (HasPossibleRange(block)) return block;
    block.range.last = block.range.first;
    block.holes.clear();
    if (block.range.first >= first) return block;
    lowest = highest = block.range.first + 1;
  }
}

}  // namespace

bool HasPossibleRange(const StoredBlock& block) {
  return block.range.last >= block.range.first &&
         block.range.last - block.range.first < kBlockSpanMax &&
         block.holes.size() <= kBlockSpanMax / 8;
}

std::vector<ObjectId> SplitIds(std::string_view joined) {
  std::vector<ObjectId> ids;
  for (; !joined.empty(); joined.remove_prefix(std::min(joined.size(), ObjectId::kBytes))) {
    ids.push_back(ObjectId::FromBytes(joined.substr(0, ObjectId::kBytes)).value_or(ObjectId()));
  }
  return ids;
}

Result<BlockWriter> BlockWriter::Prepare(Database& database) {
  DOAGENT_ASSIGN(
      Statement insert,
      database.Prepare("INSERT INTO blocks(id, last, first_time_unix_ns, last_time_unix_ns, "
                       "encoding, checksum, holes, layouts, payload) "
                       "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  DOAGENT_ASSIGN(Statement remove, database.Prepare("DELETE FROM blocks WHERE id = ?"));
  return BlockWriter(std::move(insert), std::move(remove));
}

Result<void> BlockWriter::Insert(OriginNumber origin, const StoredBlock& block) {
  const std::string layouts = JoinIds(block.layouts);
  return insert_
      .Bind(PackId(origin, block.range.first), block.range.last, block.first_time_unix_ns,
            block.last_time_unix_ns, static_cast<int>(block.encoding), block.checksum,
            std::string_view(block.holes), std::string_view(layouts),
            std::string_view(block.payload))
      .Run();
}

Result<void> BlockWriter::Remove(OriginNumber origin, Sequence first) {
  return remove_.Bind(PackId(origin, first)).Run();
}

Result<BlockReader> BlockReader::Prepare(Database& database) {
  DOAGENT_ASSIGN(Statement select, PrepareFind(database, "payload"));
  DOAGENT_ASSIGN(Statement select_head, PrepareFind(database, "x''"));
  DOAGENT_ASSIGN(Statement next, database.Prepare("SELECT id FROM blocks WHERE id > ? AND id <= ? "
                                                  "ORDER BY id LIMIT 1"));
  return BlockReader(std::move(select), std::move(select_head), std::move(next));
}

Result<std::optional<Sequence>> BlockReader::FindNext(OriginNumber origin, Sequence first,
                                                      Sequence last) {
  const StatementScope scope(next_);
  DOAGENT_ASSIGN(const bool there, next_.Bind(PackId(origin, first), PackId(origin, last)).Step());
  if (!there) return std::nullopt;
  return SequenceOf(next_.Integer(0));
}

Result<std::optional<StoredBlock>> BlockReader::Find(OriginNumber origin, Sequence first,
                                                     Sequence last) {
  return FindWith(select_, origin, first, last);
}

Result<std::optional<StoredBlock>> BlockReader::FindHead(OriginNumber origin, Sequence first,
                                                         Sequence last) {
  return FindWith(select_head_, origin, first, last);
}

}  // namespace doagent::spool
