#include "spool/explained.h"

#include "spool/origin_table.h"
#include "spool/range_table.h"
#include "spool/record_codec.h"

namespace doagent::spool {
namespace {

constexpr ReadLimits kChunk{1 << 20, 512};

Result<void> AddEvents(RunReader& runs, const OriginRow& origin,
                       std::map<SpoolId, RangeSet>& explained) {
  for (Sequence next = 1;;) {
    DOAGENT_ASSIGN(const auto records,
                   runs.records().Read(origin.number, next, kSequenceMax, kChunk));
    if (records.empty()) return {};
    next = records.back().sequence + 1;
    for (const auto& record : records) {
      if (record.kind != RecordKind::kEvent || !VerifyChecksum(record)) continue;
      const auto decoded = DecodeEvent(record);
      if (!decoded) continue;
      const Event& event = decoded->event;
      RangeSet& ranges = explained[event.spool_id.IsZero() ? origin.spool_id : event.spool_id];
      for (const auto& range : event.ranges) ranges.Add(range);
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

}  // namespace doagent::spool
