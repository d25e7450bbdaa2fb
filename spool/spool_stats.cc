// What the Spool says of itself.

#include <algorithm>
#include <filesystem>
#include <utility>

#include "spool/spool_impl.h"

namespace doagent::spool {

std::optional<WallTime> Spool::Impl::OldestPending(
    const std::vector<std::pair<OriginNumber, Sequence>>& firsts) {
  const std::lock_guard lock(read_mutex_);
  std::optional<WallTime> oldest;
  if (!runs_) return oldest;
  for (const auto& [origin, sequence] : firsts) {
    // Of a block, its first record's time stands for the others'.
    const auto time = runs_->TimeAt(origin, sequence);
    if (!time || !*time) continue;
    oldest = std::min(oldest.value_or(WallTime::max()), FromUnixNanoseconds(**time));
  }
  return oldest;
}

Result<void> Spool::Impl::LoadTotals(std::vector<LedgerTotal>& totals) {
  const std::lock_guard lock(write_mutex_);
  if (!writer_) return {};
  DOAGENT_ASSIGN(Statement select,
                 writer_->database().Prepare("SELECT kind, sum(events), sum(records) FROM ledger "
                                             "GROUP BY kind ORDER BY kind"));
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return {};
    totals.push_back({static_cast<EventKind>(select.Integer(0)),
                      static_cast<std::uint64_t>(select.Integer(1)),
                      static_cast<std::uint64_t>(select.Integer(2))});
  }
}

SpoolStats Spool::Impl::Stats() {
  SpoolStats stats;
  stats.bytes_max = options_.retention.bytes_max;
  std::vector<std::pair<OriginNumber, Sequence>> firsts;
  {
    const std::lock_guard lock(state_mutex_);
    stats.waiting_records = waiting_;
    for (const auto& [number, state] : states_) {
      stats.parked_records += state.delivery.parked().count();
      const Sequence first = state.row.first_sequence;
      if (local_ || state.head < first) continue;
      const RangeSet& settled = state.delivery.settled();
      const auto pending = settled.NextAbsent(first, state.head);
      if (!pending) continue;
      firsts.emplace_back(number, pending->first);
      std::uint64_t done = 0;
      for (const auto& range : settled.Within({first, state.head})) done += range.count();
      stats.pending_records += state.head - first + 1 - done;
    }
  }
  stats.oldest_pending = OldestPending(firsts);
  for (const char* suffix : {"", "-wal"}) {
    std::error_code none;
    const auto size = std::filesystem::file_size(path_.string() + suffix, none);
    if (!none) stats.file_bytes += size;
  }
  // What cannot be read shows with the next append.
  if (!LoadTotals(stats.ledger)) stats.ledger.clear();
  return stats;
}

}  // namespace doagent::spool
