#include "spool/verify_ranges.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "spool/origin_table.h"
#include "spool/read_past_damage.h"
#include "spool/stored.h"

namespace doagent::spool {
namespace {

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kLast = static_cast<std::int64_t>(kSequenceMax);

bool Possible(std::int64_t first, std::int64_t last) {
  return first > 0 && last >= first && last <= kLast;
}

}  // namespace

Result<RangeVerifier> RangeVerifier::Prepare(const VerifyContext& context, SequenceFacts& facts,
                                             RangeTable table) {
  const bool one = table.second.empty();
  const std::string key = one ? "origin, first" : "origin, " + table.second + ", first";
  DOAGENT_ASSIGN(Statement select,
                 context.database.Prepare("SELECT origin, " + (one ? "0" : table.second) +
                                          ", first, last FROM " + table.name + " WHERE (" + key +
                                          ") >= (?1, " + (one ? "" : "?2, ") +
                                          "?3) AND ?2 IS NOT NULL ORDER BY " + key));
  DOAGENT_ASSIGN(Statement written,
                 context.database.Prepare("SELECT max(last) FROM removed WHERE origin = ?"));
  return RangeVerifier(context, facts, std::move(table), std::move(select), std::move(written));
}

std::string RangeVerifier::PlaceOf(const Row& row) const {
  std::string place = "table " + table_.name + ", origin number " + std::to_string(row.origin);
  if (!table_.second.empty()) place += ", " + table_.second + " " + std::to_string(row.second);
  return place + ", " + std::to_string(row.first) + "-" + std::to_string(row.last);
}

Result<std::int64_t> RangeVerifier::Written(OriginNumber origin) {
  const auto head = HeadOf(context_.database, origin);
  // Where the records cannot be read, nobody can say.
  if (!head) return IsDamage(head.error()) ? Result<std::int64_t>(kLast) : Fail(head.error());
  const StatementScope scope(written_);
  const auto row = written_.Bind(origin).Step();
  if (!row) return IsDamage(row.error()) ? Result<std::int64_t>(kLast) : Fail(row.error());
  return std::max(static_cast<std::int64_t>(std::min(*head, kSequenceMax)), written_.Integer(0));
}

Result<void> RangeVerifier::ExamineOrigin(const Row& row) {
  const auto known = facts_.Known(row.origin);
  if (!known && !IsDamage(known.error())) return Fail(known.error());
  if (known && !*known) context_.findings.Add(PlaceOf(row), "belongs to no known origin");
  if (table_.of_written) {
    DOAGENT_ASSIGN(written_last_, Written(row.origin));
  }
  return {};
}

Result<void> RangeVerifier::Examine(const Row& row, const std::optional<Row>& before) {
  if (!seen_ || *seen_ != row.origin) {
    written_last_ = kLast;
    DOAGENT_TRY(ExamineOrigin(row));
    seen_ = row.origin;
  }
  if (!Possible(row.first, row.last)) {
    context_.findings.Add(PlaceOf(row), "is no possible range");
    return {};
  }
  if (table_.of_kinds && (row.second < 0 || row.second >= std::ssize(kRemovalKinds))) {
    context_.findings.Add(PlaceOf(row), "is of an unknown kind");
  }
  if (row.last > written_last_) {
    context_.findings.Add(PlaceOf(row), "goes beyond what was ever written, which ends with " +
                                            std::to_string(written_last_));
  }
  const bool overlaps = before && before->origin == row.origin && before->second == row.second &&
                        Possible(before->first, before->last) && before->last >= row.first;
  if (overlaps) {
    context_.findings.Add(PlaceOf(row), "overlaps the range before it, " +
                                            std::to_string(before->first) + "-" +
                                            std::to_string(before->last));
  }
  return {};
}

Result<void> RangeVerifier::Verify() {
  Row from{kLowest, kLowest, kLowest, 0};
  for (bool more = true; more;) {
    {
      DOAGENT_ASSIGN([[maybe_unused]] const ReadScope scope, ReadScope::Begin(context_.database));
      const StatementScope statement_scope(select_);
      select_.Bind(from.origin, from.second, from.first);
      // What an origin has may have changed meanwhile. Each look begins with the row that the one
      // before ended with, so that the next one has a neighbour.
      seen_.reset();
      std::optional<Row> before;
      for (std::size_t rows = 0; more && rows <= kVerifyRowsMax; ++rows) {
        const auto there = select_.Step();
        if (!there && !IsDamage(there.error())) return Fail(there.error());
        if (!there) {
          context_.findings.Add("table " + table_.name,
                                "cannot be read to its end: " + there.error().what);
        }
        more = there && *there;
        if (!more) break;
        const Row row{select_.Integer(0), select_.Integer(1), select_.Integer(2),
                      select_.Integer(3)};
        const bool again =
            row.origin == from.origin && row.second == from.second && row.first == from.first;
        if (!again) DOAGENT_TRY(Examine(row, before));
        before = row;
      }
      if (before) from = *before;
    }
    context_.Pause("ranges");
  }
  return {};
}

Result<Statement> PrepareParked(Database& database) {
  return database.Prepare("SELECT id FROM parked WHERE id BETWEEN ? AND ? ORDER BY id");
}

Result<void> VerifyParked(const VerifyContext& context, SequenceFacts& facts, Statement& select) {
  std::optional<std::int64_t> next = kLowest;
  while (next) {
    std::size_t rows = 0;
    {
      DOAGENT_ASSIGN([[maybe_unused]] const ReadScope scope, ReadScope::Begin(context.database));
      const auto visit = [&](const Statement& row) -> Result<bool> {
        const std::int64_t id = row.Integer(0);
        const auto known = facts.Known(OriginOf(id));
        if (!known && !IsDamage(known.error())) return Fail(known.error());
        if (known && !*known) {
          context.findings.Add("parked record " + std::to_string(SequenceOf(id)) +
                                   " of origin number " + std::to_string(OriginOf(id)),
                               "belongs to no known origin");
        }
        return ++rows < kVerifyRowsMax;
      };
      const auto unreadable = [&](std::int64_t first, std::int64_t last, const Error& error) {
        context.findings.Add(
            "table parked, " + std::to_string(first) + " to " + std::to_string(last),
            "cannot be read: " + error.what);
      };
      DOAGENT_ASSIGN(next, ReadPastDamage(select, *next, std::numeric_limits<std::int64_t>::max(),
                                          visit, unreadable));
    }
    context.Pause("parked records");
  }
  return {};
}

}  // namespace doagent::spool
