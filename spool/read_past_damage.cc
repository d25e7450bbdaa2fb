#include "spool/read_past_damage.h"

#include <algorithm>
#include <string>

namespace doagent::spool {
namespace {

// Whether what stands first in the range can be read; the end of the table can.
Result<bool> Readable(Statement& select, std::int64_t first, std::int64_t last) {
  const StatementScope scope(select);
  const auto row = select.Bind(first, last).Step();
  if (row) return !*row || select.Integer(0) >= first;
  if (row.error().code != ErrorCode::kSalvage) return Fail(row.error());
  return false;
}

// The lowest id above `from`, where something unreadable begins, from which on the table can be
// read again: steps that double until one lands behind the damage, then the border between the last
// two. Some 120 looks at most.
Result<std::optional<std::int64_t>> Behind(Statement& select, std::int64_t from,
                                           std::int64_t last) {
  // Distances, unsigned, since ids may be anything.
  const std::uint64_t most = static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(from);
  const auto at = [from](std::uint64_t distance) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(from) + distance);
  };
  std::uint64_t damaged = 0;
  std::uint64_t readable = 0;
  while (readable == 0) {
    if (damaged == most) return std::nullopt;
    const std::uint64_t step = damaged == 0 ? 1 : std::min(damaged, most - damaged);
    DOAGENT_ASSIGN(const bool yes, Readable(select, at(damaged + step), last));
    (yes ? readable : damaged) = damaged + step;
  }
  while (readable - damaged > 1) {
    const std::uint64_t middle = damaged + (readable - damaged) / 2;
    DOAGENT_ASSIGN(const bool yes, Readable(select, at(middle), last));
    (yes ? readable : damaged) = middle;
  }
  return at(readable);
}

}  // namespace

Result<std::optional<std::int64_t>> ReadPastDamage(Statement& select, std::int64_t first,
                                                   std::int64_t last, const RowVisitor& visit,
                                                   const UnreadableVisitor& unreadable) {
  for (std::int64_t next = first;;) {
    Error damage;
    {
      const StatementScope scope(select);
      select.Bind(next, last);
      for (;;) {
        const auto row = select.Step();
        if (row && !*row) return std::nullopt;
        if (row && select.Integer(0) >= next) {
          const std::int64_t id = select.Integer(0);
          DOAGENT_ASSIGN(const bool go_on, visit(select));
          if (id == last) return std::nullopt;
          next = id + 1;
          if (!go_on) return next;
          continue;
        }
        damage = row ? Error{ErrorCode::kSalvage, "", "its rows are not in order"} : row.error();
        break;
      }
    }
    if (damage.code != ErrorCode::kSalvage) return Fail(std::move(damage));
    DOAGENT_ASSIGN(const auto behind, Behind(select, next, last));
    unreadable(next, behind ? *behind - 1 : last, damage);
    if (!behind) return std::nullopt;
    next = *behind;
  }
}

}  // namespace doagent::spool
