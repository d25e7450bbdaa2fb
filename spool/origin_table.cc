#include "spool/origin_table.h"

#include <algorithm>
#include <map>
#include <utility>

namespace doagent::spool {
namespace {

constexpr const char* kOriginsMax = "origins_max";

std::string MarkOfRemoved(const SpoolId& spool_id) {
  return std::string(kRemovedMark) + spool_id.Hex();
}

Host HostFrom(const Statement& row, int column) {
  return {std::string(row.Text(column)), std::string(row.Text(column + 1)),
          std::string(row.Text(column + 2)), std::string(row.Text(column + 3)),
          std::string(row.Text(column + 4))};
}

Result<std::map<OriginNumber, std::vector<IncarnationStart>>> LoadIncarnations(Database& database) {
  std::map<OriginNumber, std::vector<IncarnationStart>> all;
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare("SELECT origin, first_sequence, incarnation "
                                  "FROM incarnations ORDER BY origin, first_sequence"));
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return all;
    all[select.Integer(0)].push_back(
        {static_cast<Incarnation>(select.Integer(2)), static_cast<Sequence>(select.Integer(1))});
  }
}

// Of a table with the columns origin, `second`, first and last. A range may lie across the border:
// its lower part stays.
Result<void> MoveRanges(Database& database, const std::string& table, const std::string& second,
                        OriginNumber from_origin, OriginNumber to, Sequence from) {
  DOAGENT_ASSIGN(Statement upper, database.Prepare("INSERT INTO " + table + "(origin, " + second +
                                                   ", first, last) SELECT origin, " + second +
                                                   ", ?2, last FROM " + table +
                                                   " WHERE origin = ?1 AND first < ?2 "
                                                   "AND last >= ?2"));
  DOAGENT_TRY(upper.Bind(from_origin, from).Run());
  DOAGENT_ASSIGN(Statement lower,
                 database.Prepare("UPDATE " + table +
                                  " SET last = ?2 - 1 "
                                  "WHERE origin = ?1 AND first < ?2 AND last >= ?2"));
  DOAGENT_TRY(lower.Bind(from_origin, from).Run());
  DOAGENT_ASSIGN(Statement move, database.Prepare("UPDATE " + table +
                                                  " SET origin = ?3 "
                                                  "WHERE origin = ?1 AND first >= ?2"));
  return move.Bind(from_origin, from, to).Run();
}

// The tables that are keyed by (origin, sequence), each in its own way.
Result<void> MoveRows(Database& database, OriginNumber from_origin, OriginNumber to,
                      Sequence from) {
  const std::int64_t shift = PackId(to, 0) - PackId(from_origin, 0);
  for (const char* table : {"records", "blocks", "parked"}) {
    DOAGENT_ASSIGN(Statement move, database.Prepare("UPDATE " + std::string(table) +
                                                    " SET id = id + ? WHERE id BETWEEN ? AND ?"));
    DOAGENT_TRY(
        move.Bind(shift, PackId(from_origin, from), PackId(from_origin, kSequenceMax)).Run());
  }
  DOAGENT_TRY(MoveRanges(database, "delivered", "receiver", from_origin, to, from));
  return MoveRanges(database, "removed", "kind", from_origin, to, from);
}

}  // namespace

Result<std::vector<OriginRow>> LoadOrigins(Database& database) {
  DOAGENT_ASSIGN(const auto incarnations, LoadIncarnations(database));
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare("SELECT number, spool_id, first_sequence, principal, hostname, "
                                  "machine_id, droplet_id, region, agent_version "
                                  "FROM origins ORDER BY number"));
  std::vector<OriginRow> origins;
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return origins;
    const auto spool_id = SpoolId::FromBytes(select.Blob(1));
    if (!spool_id) {
      return Fail(ErrorCode::kSalvage, database.path(), "an origin's id is damaged");
    }
    OriginRow origin{select.Integer(0),
                     *spool_id,
                     static_cast<Sequence>(select.Integer(2)),
                     HostFrom(select, 4),
                     std::string(select.Text(3)),
                     {}};
    if (const auto found = incarnations.find(origin.number); found != incarnations.end()) {
      origin.incarnations = found->second;
    }
    origins.push_back(std::move(origin));
  }
}

Result<std::optional<OriginNumber>> FindOrigin(Database& database, const SpoolId& spool_id) {
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare("SELECT number FROM origins WHERE spool_id = ?"));
  DOAGENT_ASSIGN(const bool row, select.Bind(spool_id.bytes()).Step());
  if (!row) return std::nullopt;
  return select.Integer(0);
}

Result<OriginNumber> PutOrigin(Database& database, const OriginRow& origin) {
  if (origin.number == 0) {
    DOAGENT_ASSIGN(Statement forget, database.Prepare("DELETE FROM meta WHERE name = ?"));
    DOAGENT_TRY(forget.Bind(MarkOfRemoved(origin.spool_id)).Run());
  }
  DOAGENT_ASSIGN(Statement put,
                 database.Prepare("INSERT INTO origins(number, spool_id, first_sequence, hostname, "
                                  "machine_id, droplet_id, region, agent_version, principal) "
                                  "VALUES(coalesce(?1, 1 + max((SELECT coalesce(max(number), 0) "
                                  "FROM origins), (SELECT coalesce(max(value), 0) FROM meta "
                                  "WHERE name = 'origins_max'))), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) "
                                  "ON CONFLICT(number) DO UPDATE SET first_sequence = ?3, "
                                  "hostname = ?4, machine_id = ?5, droplet_id = ?6, region = ?7, "
                                  "agent_version = ?8, principal = ?9"));
  const std::optional<std::int64_t> number =
      origin.number == 0 ? std::nullopt : std::optional<std::int64_t>(origin.number);
  const Host& host = origin.host;
  DOAGENT_TRY(put.Bind(number, origin.spool_id.bytes(), origin.first_sequence, host.hostname,
                       host.machine_id, host.droplet_id, host.region, host.agent_version,
                       origin.principal)
                  .Run());
  return origin.number == 0 ? database.LastInsertId() : origin.number;
}

Result<void> RemoveOrigin(Database& database, const OriginRow& origin) {
  DOAGENT_ASSIGN(const auto before, LoadMetaInteger(database, kOriginsMax));
  DOAGENT_TRY(StoreMetaInteger(database, kOriginsMax, std::max(before.value_or(0), origin.number)));
  DOAGENT_TRY(MarkRemoved(database, origin.spool_id));
  DOAGENT_ASSIGN(Statement remove, database.Prepare("DELETE FROM origins WHERE number = ?"));
  return remove.Bind(origin.number).Run();
}

Result<bool> WasRemoved(Database& database, const SpoolId& spool_id) {
  DOAGENT_ASSIGN(const auto mark, LoadMetaInteger(database, MarkOfRemoved(spool_id)));
  return mark.has_value();
}

Result<void> MarkRemoved(Database& database, const SpoolId& spool_id) {
  return StoreMetaInteger(database, MarkOfRemoved(spool_id), 1);
}

Result<void> PutIncarnation(Database& database, OriginNumber origin,
                            const IncarnationStart& start) {
  DOAGENT_ASSIGN(Statement remove,
                 database.Prepare("DELETE FROM incarnations WHERE origin = ? AND incarnation = ?"));
  DOAGENT_TRY(remove.Bind(origin, start.incarnation).Run());
  DOAGENT_ASSIGN(Statement insert,
                 database.Prepare("INSERT OR REPLACE INTO incarnations"
                                  "(origin, first_sequence, incarnation) VALUES(?, ?, ?)"));
  return insert.Bind(origin, start.first_sequence, start.incarnation).Run();
}

Result<void> MoveSequences(Database& database, const OriginRow& from_origin, OriginNumber to,
                           Sequence from) {
  DOAGENT_TRY(MoveRows(database, from_origin.number, to, from));
  DOAGENT_ASSIGN(Statement forget,
                 database.Prepare("DELETE FROM incarnations "
                                  "WHERE origin = ? AND first_sequence = ? AND incarnation = ?"));
  IncarnationStart current;
  for (const auto& start : from_origin.incarnations) {
    if (start.first_sequence < from) {
      current = start;
      continue;
    }
    DOAGENT_TRY(forget.Bind(from_origin.number, start.first_sequence, start.incarnation).Run());
    if (start.first_sequence == from) {
      current = start;
    } else {
      DOAGENT_TRY(PutIncarnation(database, to, start));
    }
  }
  if (current.incarnation == 0) return {};
  return PutIncarnation(database, to, {current.incarnation, from});
}

Result<Sequence> HeadOf(Database& database, OriginNumber origin) {
  DOAGENT_ASSIGN(
      Statement select,
      database.Prepare("SELECT (SELECT max(id) FROM records WHERE id BETWEEN ?1 AND ?2), "
                       "(SELECT last FROM blocks WHERE id BETWEEN ?1 AND ?2 "
                       "ORDER BY id DESC LIMIT 1)"));
  DOAGENT_ASSIGN([[maybe_unused]] const bool row,
                 select.Bind(PackId(origin, 0), PackId(origin, kSequenceMax)).Step());
  const Sequence of_records = select.IsNull(0) ? 0 : SequenceOf(select.Integer(0));
  const Sequence of_blocks = select.IsNull(1) ? 0 : static_cast<Sequence>(select.Integer(1));
  return std::max(of_records, of_blocks);
}

Result<std::optional<std::string>> LoadMeta(Database& database, const std::string& name) {
  DOAGENT_ASSIGN(Statement select, database.Prepare("SELECT value FROM meta WHERE name = ?"));
  DOAGENT_ASSIGN(const bool row, select.Bind(name).Step());
  if (!row) return std::nullopt;
  return std::string(select.Blob(0));
}

Result<std::optional<std::int64_t>> LoadMetaInteger(Database& database, const std::string& name) {
  DOAGENT_ASSIGN(Statement select, database.Prepare("SELECT value FROM meta WHERE name = ?"));
  DOAGENT_ASSIGN(const bool row, select.Bind(name).Step());
  if (!row) return std::nullopt;
  return select.Integer(0);
}

Result<void> StoreMetaInteger(Database& database, const std::string& name, std::int64_t value) {
  DOAGENT_ASSIGN(Statement put,
                 database.Prepare("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)"));
  return put.Bind(name, value).Run();
}

Result<void> StoreMeta(Database& database, const std::string& name, std::string_view blob) {
  DOAGENT_ASSIGN(Statement put,
                 database.Prepare("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)"));
  return put.Bind(name, blob).Run();
}

}  // namespace doagent::spool
