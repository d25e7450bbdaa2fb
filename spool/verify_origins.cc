#include "spool/verify_origins.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "spool/origin_table.h"
#include "spool/read_past_damage.h"
#include "spool/sequence_facts.h"
#include "spool/stored.h"

namespace doagent::spool {
namespace {

// What a record's id has room for.
constexpr OriginNumber kLowestOrigin = std::numeric_limits<std::int64_t>::min() >> kSequenceBits;
constexpr OriginNumber kHighestOrigin = std::numeric_limits<std::int64_t>::max() >> kSequenceBits;

void AddSaturating(std::uint64_t& total, std::int64_t records) {
  if (records <= 0) return;
  const auto more = static_cast<std::uint64_t>(records);
  total = total > ~more ? ~std::uint64_t{0} : total + more;
}

}  // namespace

Result<OriginWalk> OriginWalk::Prepare(const VerifyContext& context) {
  Database& database = context.database;
  DOAGENT_ASSIGN(Statement next, database.Prepare("SELECT number FROM origins WHERE number "
                                                  "BETWEEN ? AND ? ORDER BY number"));
  DOAGENT_ASSIGN(Statement next_record,
                 database.Prepare("SELECT id FROM records WHERE id BETWEEN ? AND ? ORDER BY id"));
  DOAGENT_ASSIGN(Statement next_block,
                 database.Prepare("SELECT id FROM blocks WHERE id BETWEEN ? AND ? ORDER BY id"));
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare("SELECT spool_id, first_sequence, hostname, machine_id, "
                                  "droplet_id, region, agent_version "
                                  "FROM origins WHERE number = ?"));
  DOAGENT_ASSIGN(Statement ledger,
                 database.Prepare("SELECT kind, records FROM ledger WHERE origin = ?"));
  DOAGENT_ASSIGN(Statement removed,
                 database.Prepare("SELECT kind, first, last FROM removed WHERE origin = ? "
                                  "ORDER BY kind, first"));
  return OriginWalk(context, std::move(next), std::move(next_record), std::move(next_block),
                    std::move(select), std::move(ledger), std::move(removed));
}

Result<std::optional<OriginNumber>> OriginWalk::NextNumber() {
  if (done_ >= kHighestOrigin) return std::nullopt;
  std::optional<OriginNumber> number;
  const auto first = [&number](OriginNumber found) {
    number = std::min(number.value_or(found), found);
    return false;
  };
  const auto unreadable = [this](std::int64_t from, std::int64_t to, const Error& error) {
    const std::string numbers =
        from == to ? std::to_string(from) : std::to_string(from) + " to " + std::to_string(to);
    context_.findings.AddOnce("table origins, " + numbers, "cannot be read: " + error.what);
  };
  DOAGENT_ASSIGN(
      [[maybe_unused]] const auto origin,
      ReadPastDamage(
          next_, done_ + 1, std::numeric_limits<OriginNumber>::max(),
          [&](const Statement& row) -> Result<bool> { return first(row.Integer(0)); }, unreadable));
  const std::int64_t behind = PackId(std::max(done_ + 1, kLowestOrigin), 0);
  for (Statement* select : {&next_record_, &next_block_}) {
    // What cannot be read there is told where records and blocks are verified.
    DOAGENT_ASSIGN(
        [[maybe_unused]] const auto record,
        ReadPastDamage(
            *select, behind, std::numeric_limits<std::int64_t>::max(),
            [&](const Statement& row) -> Result<bool> { return first(OriginOf(row.Integer(0))); },
            [](std::int64_t, std::int64_t, const Error&) {}));
  }
  return number;
}

void OriginWalk::ExamineRow(VerifiedOrigin& origin, OriginSummary& summary) {
  if (const auto spool_id = SpoolId::FromBytes(select_.Blob(0))) {
    summary.spool_id = *spool_id;
    origin.name = "origin " + spool_id->Hex();
  } else {
    context_.findings.Add(origin.name, "its spool id is none");
  }
  summary.host = {std::string(select_.Text(2)), std::string(select_.Text(3)),
                  std::string(select_.Text(4)), std::string(select_.Text(5)),
                  std::string(select_.Text(6))};
  const std::int64_t first = select_.Integer(1);
  if (first < 1 || first > static_cast<std::int64_t>(kSequenceMax) + 1) {
    context_.findings.Add(origin.name,
                          "begins with an impossible sequence, " + std::to_string(first));
  } else {
    origin.first_sequence = static_cast<Sequence>(first);
  }
}

Result<void> OriginWalk::Load(VerifiedOrigin& origin, OriginSummary& summary) {
  const StatementScope scope(select_);
  const auto row = select_.Bind(origin.number).Step();
  if (!row && !IsDamage(row.error())) return Fail(row.error());
  if (!row) {
    context_.findings.AddOnce("table origins, " + std::to_string(origin.number),
                              "cannot be read: " + row.error().what);
  } else if (*row) {
    ExamineRow(origin, summary);
  } else {
    context_.findings.Add(origin.name, "has records, but is not in the table of origins");
  }
  return {};
}

Result<void> OriginWalk::LoadLosses(const VerifiedOrigin& origin, OriginSummary& summary) {
  const StatementScope ledger_scope(ledger_);
  ledger_.Bind(origin.number);
  for (;;) {
    const auto row = ledger_.Step();
    if (!row && !IsDamage(row.error())) return Fail(row.error());
    if (!row) context_.findings.AddOnce("table ledger", "cannot be read: " + row.error().what);
    if (!row || !*row) break;
    if (!MeansLoss(static_cast<EventKind>(ledger_.Integer(0)))) continue;
    AddSaturating(summary.lost_records, ledger_.Integer(1));
  }
  const StatementScope removed_scope(removed_);
  removed_.Bind(origin.number);
  for (;;) {
    const auto row = removed_.Step();
    if (!row && !IsDamage(row.error())) return Fail(row.error());
    // Told where the ranges are verified.
    if (!row || !*row) return {};
    ++summary.removed_ranges;
    if (summary.removed.size() == kRangesListed) continue;
    const std::int64_t kind = removed_.Integer(0);
    const bool known = kind >= 0 && kind < std::ssize(kRemovalKinds);
    summary.removed.push_back(
        {known ? Name(static_cast<RemovalKind>(kind)) : std::string_view("unknown"),
         {static_cast<Sequence>(removed_.Integer(1)), static_cast<Sequence>(removed_.Integer(2))}});
  }
}

Result<Sequence> OriginWalk::Head(OriginNumber origin) {
  const auto head = HeadOf(context_.database, origin);
  if (head) return std::min(*head, kSequenceMax);
  if (IsDamage(head.error())) return kSequenceMax;
  return Fail(head.error());
}

Result<std::optional<VerifiedOrigin>> OriginWalk::Next(OriginSummary& summary) {
  DOAGENT_ASSIGN([[maybe_unused]] const ReadScope scope, ReadScope::Begin(context_.database));
  for (;;) {
    DOAGENT_ASSIGN(const auto number, NextNumber());
    if (!number) return std::nullopt;
    done_ = *number;
    VerifiedOrigin origin;
    origin.number = *number;
    origin.name = "origin number " + std::to_string(*number);
    origin.receiver = context_.summary.receiver;
    if (*number < kLowestOrigin || *number > kHighestOrigin) {
      context_.findings.Add(origin.name, "is a number that no record can have");
      continue;
    }
    DOAGENT_TRY(Load(origin, summary));
    DOAGENT_TRY(LoadLosses(origin, summary));
    DOAGENT_ASSIGN(origin.head, Head(*number));
    summary.name = origin.name;
    return origin;
  }
}

}  // namespace doagent::spool
