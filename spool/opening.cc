#include "spool/opening.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "spool/range_table.h"
#include "spool/record_codec.h"
#include "spool/record_table.h"

namespace doagent::spool {
namespace {

constexpr const char* kCurrentOrigin = "spool_id";
constexpr const char* kLocal = "local";

Incarnation RandomIncarnation(const std::function<std::uint64_t()>& random) {
  Incarnation incarnation = 0;
  while (incarnation == 0) incarnation = random();
  return incarnation;
}

// The origin that was written last, if there is one.
Result<std::optional<OriginRow>> LastOrigin(Database& database) {
  DOAGENT_ASSIGN(const auto stored_id, LoadMeta(database, kCurrentOrigin));
  if (!stored_id) return std::nullopt;
  DOAGENT_ASSIGN(auto origins, LoadOrigins(database));
  for (auto& origin : origins) {
    if (origin.spool_id.bytes() == *stored_id) return std::move(origin);
  }
  return Fail(ErrorCode::kSalvage, database.path(),
              "the origin that it was written by is not there");
}

// Why this machine may not go on under the stored id; empty when it may.
std::string IdentityChange(const Host& stored, const Host& now) {
  if (stored.identity().empty() || now.identity().empty() || stored.identity() == now.identity()) {
    return "";
  }
  return "the spool was written on another machine: identity " + stored.identity() + ", now " +
         now.identity();
}

// Never a number that was used: records may be gone while what was said of them remains.
Result<Sequence> NextSequence(Database& database, const OriginRow& origin) {
  DOAGENT_ASSIGN(const Sequence head, HeadOf(database, origin.number));
  Sequence next = std::max(origin.first_sequence, head + 1);
  DOAGENT_ASSIGN(const auto delivered, LoadDelivered(database));
  for (const auto& [key, ranges] : delivered) {
    if (key.first == origin.number && !ranges.empty()) next = std::max(next, ranges.last() + 1);
  }
  DOAGENT_ASSIGN(const auto removed, LoadRemoved(database));
  for (const auto& [key, ranges] : removed) {
    if (key.first == origin.number && !ranges.empty()) next = std::max(next, ranges.last() + 1);
  }
  for (const auto& start : origin.incarnations) next = std::max(next, start.first_sequence + 1);
  return next;
}

Result<std::string> HowItEnded(Database& database, const OriginRow& origin, Sequence next) {
  if (next == origin.first_sequence) return std::string("first start");
  DOAGENT_ASSIGN(RecordReader reader, RecordReader::Prepare(database));
  DOAGENT_ASSIGN(const auto last, reader.Read(origin.number, next - 1, next - 1, ReadLimits()));
  if (!last.empty() && last.front().kind == RecordKind::kEvent) {
    const auto event = DecodeEvent(last.front());
    if (event && event->event.kind == EventKind::kStop) return std::string("after a clean stop");
  }
  return std::string("after an end without a stop");
}

}  // namespace

SpoolId RandomSpoolId(const std::function<std::uint64_t()>& random) {
  const std::uint64_t halves[2] = {random(), random()};
  return *SpoolId::FromBytes({reinterpret_cast<const char*>(halves), sizeof halves});
}

Result<Opening> BeginIncarnation(Database& database, const SpoolOptions& options,
                                 const std::string& why_new_id) {
  Opening opening;
  opening.identity_change = why_new_id;
  DOAGENT_ASSIGN(auto last, LastOrigin(database));
  if (last && why_new_id.empty())
    opening.identity_change = IdentityChange(last->host, options.host);

  OriginRow origin;
  if (last && opening.identity_change.empty()) {
    origin = *std::move(last);
  } else {
    origin.spool_id = RandomSpoolId(options.random);
  }
  origin.host = options.host;
  DOAGENT_ASSIGN(origin.number, PutOrigin(database, origin));

  opening.current = origin.number;
  opening.incarnation = RandomIncarnation(options.random);
  DOAGENT_ASSIGN(opening.next_sequence, NextSequence(database, origin));
  DOAGENT_ASSIGN(opening.reason, HowItEnded(database, origin, opening.next_sequence));
  DOAGENT_TRY(
      PutIncarnation(database, origin.number, {opening.incarnation, opening.next_sequence}));
  DOAGENT_TRY(StoreMeta(database, kCurrentOrigin, origin.spool_id.bytes()));
  DOAGENT_TRY(StoreMeta(database, kLocal, options.local ? "1" : "0"));
  // For those who only read.
  DOAGENT_TRY(StoreMetaInteger(database, "spool_bytes_max",
                               static_cast<std::int64_t>(options.retention.bytes_max)));
  return opening;
}

}  // namespace doagent::spool
