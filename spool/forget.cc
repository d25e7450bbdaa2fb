#include "spool/forget.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

namespace doagent::spool {
namespace {

// Some milliseconds of work.
constexpr ReadLimits kStep{256 << 10, 512};

// What was removed so far, in case that the rest is left to another process.
std::string CountOf(const OriginRow& origin) {
  return "forgetting:" + origin.spool_id.Hex();
}

}  // namespace

Result<std::unique_ptr<Forgetter>> Forgetter::Prepare(Writer& writer) {
  DOAGENT_ASSIGN(RunReader runs, RunReader::Prepare(writer.database()));
  return std::unique_ptr<Forgetter>(new Forgetter(writer, std::move(runs)));
}

Result<std::vector<OriginRow>> Forgetter::Wanted() {
  DOAGENT_ASSIGN(Statement select,
                 writer_.database().Prepare("SELECT argument FROM requests WHERE kind = ?"));
  select.Bind(std::string(kForgetRequest));
  std::vector<SpoolId> ids;
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) break;
    if (const auto id = SpoolId::FromHex(select.Text(0))) ids.push_back(*id);
  }
  if (ids.empty()) return std::vector<OriginRow>();
  DOAGENT_ASSIGN(auto origins, LoadOrigins(writer_.database()));
  std::erase_if(origins, [&ids](const OriginRow& origin) {
    return std::find(ids.begin(), ids.end(), origin.spool_id) == ids.end();
  });
  return origins;
}

Result<void> Forgetter::RemoveRest(const OriginRow& origin) {
  Database& database = writer_.database();
  for (const char* table : {"incarnations", "stored", "removed", "delivered", "ledger"}) {
    DOAGENT_ASSIGN(Statement remove,
                   database.Prepare(std::string("DELETE FROM ") + table + " WHERE origin = ?"));
    DOAGENT_TRY(remove.Bind(origin.number).Run());
  }
  for (const char* table : {"parked", "damaged"}) {
    DOAGENT_ASSIGN(Statement remove, database.Prepare(std::string("DELETE FROM ") + table +
                                                      " WHERE id BETWEEN ? AND ?"));
    DOAGENT_TRY(remove.Bind(PackId(origin.number, 0), PackId(origin.number, kSequenceMax)).Run());
  }
  DOAGENT_ASSIGN(Statement count, database.Prepare("DELETE FROM meta WHERE name = ?"));
  DOAGENT_TRY(count.Bind(CountOf(origin)).Run());
  DOAGENT_TRY(RemoveOrigin(database, origin));
  DOAGENT_ASSIGN(Statement request,
                 database.Prepare("DELETE FROM requests WHERE kind = ? AND argument = ?"));
  return request.Bind(std::string(kForgetRequest), origin.spool_id.Hex()).Run();
}

Result<std::optional<Forgotten>> Forgetter::Step(const OriginRow& origin) {
  Database& database = writer_.database();
  DOAGENT_ASSIGN(const auto before, LoadMetaInteger(database, CountOf(origin)));
  auto count = static_cast<std::uint64_t>(before.value_or(0));
  DOAGENT_ASSIGN(const auto run, runs_.Next(origin.number, 1, kSequenceMax, kStep));
  if (run) {
    if (run->block) {
      count += SequencesOf(*run->block).count();
      DOAGENT_TRY(writer_.blocks().Remove(origin.number, run->block->range.first));
      DOAGENT_TRY(database.ExpectChange());
    }
    for (const StoredRecord& record : run->records) {
      DOAGENT_TRY(writer_.records().Remove(origin.number, record.sequence));
      DOAGENT_TRY(database.ExpectChange());
    }
    count += run->records.size();
    DOAGENT_TRY(StoreMetaInteger(database, CountOf(origin), static_cast<std::int64_t>(count)));
    return std::nullopt;
  }
  DOAGENT_TRY(RemoveRest(origin));
  DOAGENT_TRY(writer_.AddTotals(0, EventKind::kEviction, 1, count));
  return Forgotten{origin, count};
}

}  // namespace doagent::spool
