#include "spool/sequence_facts.h"

#include <algorithm>
#include <utility>

#include "spool/stored.h"

namespace doagent::spool {
namespace {

// A query's single integer; nothing: no row, or NULL.
template <typename... Values>
Result<std::optional<std::int64_t>> Ask(Statement& select, const Values&... values) {
  const StatementScope scope(select);
  DOAGENT_ASSIGN(const bool row, select.Bind(values...).Step());
  if (!row || select.IsNull(0)) return std::nullopt;
  return select.Integer(0);
}

}  // namespace

std::string_view Name(RemovalKind kind) {
  switch (kind) {
    case RemovalKind::kExpired: return "expired";
    case RemovalKind::kEvicted: return "evicted";
    case RemovalKind::kThinned: return "thinned";
    case RemovalKind::kLost: return "lost";
  }
  return "";
}

SequenceFacts::SequenceFacts(Statement known, Statement incarnation, Statement incarnations,
                             Statement stored, Statement removed, Statement removed_later)
    : known_(std::move(known)),
      incarnation_(std::move(incarnation)),
      incarnations_(std::move(incarnations)),
      stored_(std::move(stored)),
      removed_(std::move(removed)),
      removed_later_(std::move(removed_later)) {}

Result<SequenceFacts> SequenceFacts::Prepare(Database& database) {
  DOAGENT_ASSIGN(Statement known, database.Prepare("SELECT 1 FROM origins WHERE number = ?"));
  DOAGENT_ASSIGN(Statement incarnation,
                 database.Prepare("SELECT incarnation FROM incarnations WHERE origin = ? "
                                  "AND first_sequence <= ? ORDER BY first_sequence DESC LIMIT 1"));
  DOAGENT_ASSIGN(Statement incarnations,
                 database.Prepare("SELECT 1 FROM incarnations WHERE origin = ? "
                                  "AND first_sequence > ? AND first_sequence <= ? LIMIT 1"));
  // Ranges of one key do not overlap, so only the one that begins last can hold a sequence.
  DOAGENT_ASSIGN(Statement stored,
                 database.Prepare("SELECT last FROM stored WHERE origin = ? AND first <= ? "
                                  "ORDER BY first DESC LIMIT 1"));
  DOAGENT_ASSIGN(Statement removed,
                 database.Prepare("SELECT last FROM removed WHERE origin = ? AND kind = ? "
                                  "AND first <= ? ORDER BY first DESC LIMIT 1"));
  DOAGENT_ASSIGN(Statement removed_later,
                 database.Prepare("SELECT first FROM removed WHERE origin = ? AND kind = ? "
                                  "AND first > ? ORDER BY first LIMIT 1"));
  return SequenceFacts(std::move(known), std::move(incarnation), std::move(incarnations),
                       std::move(stored), std::move(removed), std::move(removed_later));
}

Result<bool> SequenceFacts::Known(OriginNumber origin) {
  DOAGENT_ASSIGN(const auto there, Ask(known_, origin));
  return there.has_value();
}

Result<Incarnation> SequenceFacts::IncarnationAt(OriginNumber origin, Sequence sequence) {
  DOAGENT_ASSIGN(const auto incarnation, Ask(incarnation_, origin, sequence));
  return static_cast<Incarnation>(incarnation.value_or(0));
}

Result<bool> SequenceFacts::IncarnationBeginsIn(OriginNumber origin, SequenceRange range) {
  DOAGENT_ASSIGN(const auto there, Ask(incarnations_, origin, range.first, range.last));
  return there.has_value();
}

Result<std::optional<Sequence>> SequenceFacts::NeverStored(OriginNumber origin,
                                                           SequenceRange range) {
  for (Sequence next = range.first; next <= range.last;) {
    DOAGENT_ASSIGN(const auto last, Ask(stored_, origin, next));
    if (!last || static_cast<Sequence>(*last) < next) return next;
    next = static_cast<Sequence>(*last) + 1;
  }
  return std::nullopt;
}

Result<std::optional<Sequence>> SequenceFacts::RemovedThrough(OriginNumber origin,
                                                              Sequence sequence, Kinds kinds) {
  std::optional<Sequence> through;
  for (const RemovalKind kind : kinds) {
    DOAGENT_ASSIGN(const auto last, Ask(removed_, origin, static_cast<int>(kind), sequence));
    if (!last || *last < static_cast<std::int64_t>(sequence)) continue;
    through = std::max(through.value_or(0), std::min(static_cast<Sequence>(*last), kSequenceMax));
  }
  return through;
}

Result<std::optional<Sequence>> SequenceFacts::NextRemoved(OriginNumber origin, Sequence sequence,
                                                           Kinds kinds) {
  std::optional<Sequence> next;
  for (const RemovalKind kind : kinds) {
    DOAGENT_ASSIGN(const auto first, Ask(removed_later_, origin, static_cast<int>(kind), sequence));
    if (!first) continue;
    next = std::min(next.value_or(kSequenceMax), static_cast<Sequence>(*first));
  }
  return next;
}

Result<std::optional<SequenceRange>> SequenceFacts::NotRemoved(OriginNumber origin,
                                                               SequenceRange range, Kinds kinds) {
  for (Sequence next = range.first; next <= range.last;) {
    DOAGENT_ASSIGN(const auto through, RemovedThrough(origin, next, kinds));
    if (!through) {
      DOAGENT_ASSIGN(const auto removed, NextRemoved(origin, next, kinds));
      return SequenceRange{next, removed ? std::min(*removed - 1, range.last) : range.last};
    }
    next = *through + 1;
  }
  return std::nullopt;
}

}  // namespace doagent::spool
