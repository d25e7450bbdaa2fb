#include "spool/stored_events.h"

#include <utility>

#include "spool/record_codec.h"

namespace doagent::spool {
namespace {

constexpr ReadLimits kChunk{1 << 20, 512};

}  // namespace

std::optional<Event> IntactEvent(const StoredRecord& record) {
  if (record.kind != RecordKind::kEvent || !VerifyChecksum(record)) return std::nullopt;
  auto decoded = DecodeEvent(record);
  if (!decoded) return std::nullopt;
  return std::move(decoded->event);
}

Result<void> VisitEvents(RunReader& runs, OriginNumber origin,
                         const std::function<void(const Event&)>& visit) {
  for (Sequence next = 1;;) {
    DOAGENT_ASSIGN(const auto records, runs.records().Read(origin, next, kSequenceMax, kChunk));
    if (records.empty()) return {};
    next = records.back().sequence + 1;
    for (const auto& record : records) {
      if (const auto event = IntactEvent(record)) visit(*event);
    }
  }
}

}  // namespace doagent::spool
