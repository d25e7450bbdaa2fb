#include "spool/explained.h"

#include <optional>
#include <utility>

#include "spool/origin_table.h"
#include "spool/range_table.h"
#include "spool/record_codec.h"

namespace doagent::spool {
namespace {

constexpr ReadLimits kChunk{1 << 20, 512};

// An event that tells what is not there.
std::optional<Event> IntactLoss(const StoredRecord& record) {
  if (record.kind != RecordKind::kEvent || !VerifyChecksum(record)) return std::nullopt;
  auto decoded = DecodeEvent(record);
  if (!decoded || !MeansLoss(decoded->event.kind)) return std::nullopt;
  return std::move(decoded->event);
}

Result<void> AddEvents(RunReader& runs, const OriginRow& origin,
                       std::map<SpoolId, RangeSet>& explained) {
  for (Sequence next = 1;;) {
    DOAGENT_ASSIGN(const auto records,
                   runs.records().Read(origin.number, next, kSequenceMax, kChunk));
    if (records.empty()) return {};
    next = records.back().sequence + 1;
    for (const auto& record : records) {
      const auto event = IntactLoss(record);
      if (!event) continue;
      RangeSet& ranges = explained[event->spool_id.IsZero() ? origin.spool_id : event->spool_id];
      for (const auto& range : event->ranges) ranges.Add(range);
    }
  }
}

}  // namespace

Result<std::map<SpoolId, RangeSet>> LoadExplained(Database& database, RunReader& runs) {
  std::map<SpoolId, RangeSet> explained;
  DOAGENT_ASSIGN(const auto origins, LoadOrigins(database));
  DOAGENT_ASSIGN(const auto removed, LoadRemoved(database));
  for (const auto& origin : origins) {
    for (const auto& [key, ranges] : removed) {
      if (key.first == origin.number) explained[origin.spool_id].Add(ranges);
    }
    DOAGENT_TRY(AddEvents(runs, origin, explained));
  }
  return explained;
}

Result<void> AddTold(Database& database, OriginNumber origin, const StoredRecord& record,
                     std::map<OriginNumber, RangeSet>& told) {
  const auto event = IntactLoss(record);
  if (!event || event->ranges.empty()) return {};
  if (!event->spool_id.IsZero()) {
    // On a receiver nobody is believed about another principal's.
    DOAGENT_ASSIGN(Statement select,
                   database.Prepare("SELECT other.number FROM origins AS own JOIN origins AS other "
                                    "ON own.principal = other.principal "
                                    "WHERE own.number = ? AND other.spool_id = ?"));
    DOAGENT_ASSIGN(const bool row, select.Bind(origin, event->spool_id.bytes()).Step());
    if (!row) return {};
    origin = select.Integer(0);
  }
  for (const auto& range : event->ranges) told[origin].Add(range);
  return {};
}

}  // namespace doagent::spool
