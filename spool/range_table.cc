#include "spool/range_table.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "spool/check.h"
#include "spool/stored.h"

namespace doagent::spool {
namespace {

constexpr auto kThinned = static_cast<std::int64_t>(RemovalKind::kThinned);

// Of ranges none of which overlaps another.
constexpr std::string_view kOverlapping =
    "WHERE origin = ?1 AND kind = ?2 AND first <= ?4 AND last >= ?3 AND first >= coalesce("
    "(SELECT max(first) FROM removed WHERE origin = ?1 AND kind = ?2 AND first <= ?3), 0)";

// The maximal ranges of `all` that changed touches: what stands in the table after the write.
RangeSet Touched(const RangeSet& all, const RangeSet& changed) {
  RangeSet touched;
  for (const auto& range : all.ToVector()) {
    if (changed.Intersects(range)) touched.Add(range);
  }
  return touched;
}

// A set of ranges takes only possible ones, and a damaged file may hold anything.
Result<void> AddTo(RangeSet& ranges, const Database& database, const std::string& table,
                   std::int64_t first, std::int64_t last) {
  if (first > 0 && last >= first && last <= static_cast<std::int64_t>(kSequenceMax)) {
    ranges.Add({static_cast<Sequence>(first), static_cast<Sequence>(last)});
    return {};
  }
  return Fail(ErrorCode::kSalvage, database.path(),
              "table " + table + " has an impossible range, " + std::to_string(first) + " to " +
                  std::to_string(last));
}

// Tables with the columns origin, `second`, first and last.
Result<RangesByPair> LoadRanges(Database& database, const std::string& table,
                                const std::string& second) {
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare("SELECT origin, " + second + ", first, last FROM " + table));
  RangesByPair ranges;
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return ranges;
    DOAGENT_TRY(AddTo(ranges[{select.Integer(0), select.Integer(1)}], database, table,
                      select.Integer(2), select.Integer(3)));
  }
}

// The row's columns from this one on are first, last and records.
Result<ThinnedRange> ThinnedRow(const Database& database, const Statement& row, int column) {
  RangeSet range;
  DOAGENT_TRY(AddTo(range, database, "removed", row.Integer(column), row.Integer(column + 1)));
  const auto records =
      static_cast<std::uint64_t>(std::max<std::int64_t>(row.Integer(column + 2), 0));
  return ThinnedRange{{range.first(), range.last()}, std::min(records, range.count())};
}

// The thinned ranges that overlap this one, together: what they span with it, and their records.
Result<ThinnedRange> Overlapped(Database& database, OriginNumber origin, SequenceRange range) {
  DOAGENT_ASSIGN(Statement select, database.Prepare("SELECT first, last, records FROM removed " +
                                                    std::string(kOverlapping)));
  select.Bind(origin, kThinned, range.first, range.last);
  ThinnedRange all{range, 0};
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return all;
    DOAGENT_ASSIGN(const ThinnedRange one, ThinnedRow(database, select, 0));
    all.range.first = std::min(all.range.first, one.range.first);
    all.range.last = std::max(all.range.last, one.range.last);
    all.records += one.records;
  }
}

Result<void> DeleteOverlapped(Database& database, OriginNumber origin, SequenceRange range) {
  DOAGENT_ASSIGN(Statement remove,
                 database.Prepare("DELETE FROM removed " + std::string(kOverlapping)));
  return remove.Bind(origin, kThinned, range.first, range.last).Run();
}

Result<void> InsertThinned(Database& database, OriginNumber origin, const ThinnedRange& thinned) {
  DOAGENT_ASSIGN(
      Statement insert,
      database.Prepare("INSERT OR REPLACE INTO removed(origin, kind, first, last, records) "
                       "VALUES(?, ?, ?, ?, ?)"));
  return insert.Bind(origin, kThinned, thinned.range.first, thinned.range.last, thinned.records)
      .Run();
}

Result<void> WriteRanges(Database& database, const std::string& table, const std::string& second,
                         const RangesByPair::key_type& key, const RangeSet& all,
                         const RangeSet& changed) {
  DOAGENT_ASSIGN(Statement swallow,
                 database.Prepare("DELETE FROM " + table + " WHERE origin = ? AND " + second +
                                  " = ? AND first > ? AND first <= ?"));
  DOAGENT_ASSIGN(Statement put, database.Prepare("INSERT OR REPLACE INTO " + table + "(origin, " +
                                                 second + ", first, last) VALUES(?, ?, ?, ?)"));
  for (const auto& range : Touched(all, changed).ToVector()) {
    DOAGENT_TRY(swallow.Bind(key.first, key.second, range.first, range.last).Run());
    DOAGENT_TRY(put.Bind(key.first, key.second, range.first, range.last).Run());
  }
  return {};
}

}  // namespace

Result<RangesByPair> LoadDelivered(Database& database) {
  return LoadRanges(database, "delivered", "receiver");
}

Result<void> WriteDelivered(Database& database, OriginNumber origin, ReceiverNumber receiver,
                            const RangeSet& all, const RangeSet& changed) {
  return WriteRanges(database, "delivered", "receiver", {origin, receiver}, all, changed);
}

Result<RangesByPair> LoadRemoved(Database& database) {
  return LoadRanges(database, "removed", "kind");
}

Result<void> AddRemoved(Database& database, OriginNumber origin, RemovalKind kind,
                        const RangeSet& ranges) {
  DOAGENT_CHECK(kind != RemovalKind::kThinned);
  const auto number = static_cast<std::int64_t>(kind);
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare("SELECT first, last FROM removed WHERE origin = ? AND kind = ?"));
  RangeSet all = ranges;
  select.Bind(origin, number);
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) break;
    DOAGENT_TRY(AddTo(all, database, "removed", select.Integer(0), select.Integer(1)));
  }
  return WriteRanges(database, "removed", "kind", {origin, number}, all, ranges);
}

Result<std::map<OriginNumber, std::vector<ThinnedRange>>> LoadThinned(Database& database) {
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare("SELECT origin, first, last, records FROM removed "
                                  "WHERE kind = ? ORDER BY origin, first"));
  select.Bind(kThinned);
  std::map<OriginNumber, std::vector<ThinnedRange>> thinned;
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return thinned;
    DOAGENT_ASSIGN(const ThinnedRange one, ThinnedRow(database, select, 1));
    thinned[select.Integer(0)].push_back(one);
  }
}

Result<void> AddThinned(Database& database, OriginNumber origin, ThinnedRange thinned) {
  DOAGENT_ASSIGN(const ThinnedRange others, Overlapped(database, origin, thinned.range));
  DOAGENT_TRY(DeleteOverlapped(database, origin, thinned.range));
  return InsertThinned(database, origin, {others.range, thinned.records + others.records});
}

Result<bool> IsThinned(Database& database, OriginNumber origin, SequenceRange range) {
  DOAGENT_ASSIGN(const ThinnedRange others, Overlapped(database, origin, range));
  return others.records > 0;
}

Result<void> ReplaceThinned(Database& database, OriginNumber origin,
                            const std::vector<ThinnedRange>& thinned) {
  DOAGENT_TRY(DeleteOverlapped(database, origin, {1, kSequenceMax}));
  for (const auto& one : thinned) DOAGENT_TRY(InsertThinned(database, origin, one));
  return {};
}

Result<void> CutThinned(Database& database, OriginNumber origin, Sequence at,
                        const RangeSet& there) {
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare("SELECT first, last, records FROM removed WHERE origin = ? "
                                  "AND kind = ? AND first < ? AND last >= ?"));
  DOAGENT_ASSIGN(const bool row, select.Bind(origin, kThinned, at, at).Step());
  if (!row) return {};
  DOAGENT_ASSIGN(const ThinnedRange whole, ThinnedRow(database, select, 0));
  DOAGENT_TRY(DeleteOverlapped(database, origin, whole.range));
  std::uint64_t left = whole.records;
  for (const SequenceRange& part :
       {SequenceRange{whole.range.first, at - 1}, SequenceRange{at, whole.range.last}}) {
    const std::uint64_t records = std::min(left, RangeSet(there.AbsentWithin(part)).count());
    left -= records;
    if (records > 0) DOAGENT_TRY(InsertThinned(database, origin, {part, records}));
  }
  return {};
}

Result<ThinnedRange> TakeThinned(Database& database, OriginNumber origin, SequenceRange range) {
  DOAGENT_ASSIGN(const ThinnedRange others, Overlapped(database, origin, range));
  DOAGENT_TRY(DeleteOverlapped(database, origin, range));
  return others;
}

Result<void> ReplaceDelivered(Database& database, OriginNumber origin, ReceiverNumber receiver,
                              const RangeSet& all) {
  DOAGENT_ASSIGN(Statement clear,
                 database.Prepare("DELETE FROM delivered WHERE origin = ? AND receiver = ?"));
  DOAGENT_TRY(clear.Bind(origin, receiver).Run());
  return WriteDelivered(database, origin, receiver, all, all);
}

Result<ReceiverNumber> PutReceiver(Database& database, const ReceiverId& receiver) {
  DOAGENT_ASSIGN(Statement insert, database.Prepare("INSERT INTO receivers(receiver_id) VALUES(?) "
                                                    "ON CONFLICT DO NOTHING"));
  DOAGENT_TRY(insert.Bind(receiver.bytes()).Run());
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare("SELECT number FROM receivers WHERE receiver_id = ?"));
  DOAGENT_ASSIGN(const bool row, select.Bind(receiver.bytes()).Step());
  if (!row) return Fail(ErrorCode::kSalvage, database.path(), "a receiver's row vanished");
  return select.Integer(0);
}

Result<std::map<ReceiverId, ReceiverNumber>> LoadReceivers(Database& database) {
  DOAGENT_ASSIGN(Statement select, database.Prepare("SELECT receiver_id, number FROM receivers"));
  std::map<ReceiverId, ReceiverNumber> receivers;
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return receivers;
    if (const auto id = ReceiverId::FromBytes(select.Blob(0))) receivers[*id] = select.Integer(1);
  }
}

Result<std::map<OriginNumber, RangeSet>> LoadStored(Database& database) {
  DOAGENT_ASSIGN(Statement select, database.Prepare("SELECT origin, first, last FROM stored"));
  std::map<OriginNumber, RangeSet> stored;
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return stored;
    DOAGENT_TRY(
        AddTo(stored[select.Integer(0)], database, "stored", select.Integer(1), select.Integer(2)));
  }
}

Result<void> WriteStored(Database& database, OriginNumber origin, const RangeSet& all,
                         const RangeSet& changed) {
  DOAGENT_ASSIGN(Statement swallow,
                 database.Prepare("DELETE FROM stored WHERE origin = ? AND first > ? "
                                  "AND first <= ?"));
  DOAGENT_ASSIGN(
      Statement put,
      database.Prepare("INSERT OR REPLACE INTO stored(origin, first, last) VALUES(?, ?, ?)"));
  for (const auto& range : Touched(all, changed).ToVector()) {
    DOAGENT_TRY(swallow.Bind(origin, range.first, range.last).Run());
    DOAGENT_TRY(put.Bind(origin, range.first, range.last).Run());
  }
  return {};
}

Result<std::map<OriginNumber, RangeSet>> LoadParked(Database& database) {
  DOAGENT_ASSIGN(Statement select, database.Prepare("SELECT id FROM parked"));
  std::map<OriginNumber, RangeSet> parked;
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return parked;
    const Sequence sequence = SequenceOf(select.Integer(0));
    parked[OriginOf(select.Integer(0))].Add({sequence, sequence});
  }
}

}  // namespace doagent::spool
