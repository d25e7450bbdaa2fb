#include "tools/do-agent/gap_ledger.h"

#include <algorithm>

#include "spool/check.h"
#include "tools/cli/time_text.h"

namespace doagent::agent {
namespace {

// By cause.
constexpr std::array<std::string_view, 3> kWhat = {"not taken in time", "not taken", "refused"};

}  // namespace

void GapLedger::Add(GapCause cause, std::uint64_t count, WallTime when, const std::string& why) {
  DOAGENT_CHECK(count > 0);
  Gap& gap = gaps_[static_cast<std::size_t>(cause)];
  if (gap.count == 0) {
    gap.since = when;
    gap.why = why;
  }
  gap.count += count;
}

std::optional<std::size_t> GapLedger::First() const {
  for (std::size_t i = 0; i < gaps_.size(); ++i) {
    if (gaps_[i].count > 0) return i;
  }
  return std::nullopt;
}

std::optional<WallTime> GapLedger::since() const {
  std::optional<WallTime> since;
  for (const Gap& gap : gaps_) {
    if (gap.count > 0) since = std::min(since.value_or(gap.since), gap.since);
  }
  return since;
}

std::optional<spool::Event> GapLedger::Next() const {
  const auto first = First();
  if (!first) return std::nullopt;
  const Gap& gap = gaps_[*first];
  spool::Event event;
  const bool rejected = *first == static_cast<std::size_t>(GapCause::kRejected);
  event.kind = rejected ? spool::EventKind::kRejection : spool::EventKind::kGap;
  event.count = gap.count;
  event.reason = std::string(kWhat[*first]) + " since " + cli::FormatTime(gap.since) +
                 (gap.why.empty() ? "" : ": " + gap.why);
  return event;
}

void GapLedger::SettleNext() {
  const auto first = First();
  DOAGENT_CHECK(first);
  gaps_[*first] = Gap();
}

}  // namespace doagent::agent
