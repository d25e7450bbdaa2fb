#include "spool/range_table.h"

#include <utility>

#include "spool/stored.h"

namespace doagent::spool {
namespace {

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

Result<void> AddRemoved(Database& database, OriginNumber origin, std::int64_t kind,
                        const RangeSet& ranges) {
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare("SELECT first, last FROM removed WHERE origin = ? AND kind = ?"));
  RangeSet all = ranges;
  select.Bind(origin, kind);
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) break;
    DOAGENT_TRY(AddTo(all, database, "removed", select.Integer(0), select.Integer(1)));
  }
  return WriteRanges(database, "removed", "kind", {origin, kind}, all, ranges);
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
