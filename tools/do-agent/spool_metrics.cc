#include "tools/do-agent/spool_metrics.h"

#include <utility>

#include "collector/family_spec.h"

namespace doagent::agent {
namespace {

using collector::FamilySpec;
using collector::kPlain;
using spool::MetricType;

constexpr FamilySpec kPending{.name = "do_agent_spool_pending_records",
                              .help = "Records that no receiver has acknowledged yet.",
                              .representation = kPlain};
constexpr FamilySpec kOldest{
    .name = "do_agent_spool_oldest_pending_timestamp_seconds",
    .help = "When the oldest of the pending records was taken; absent when none is pending.",
    .representation = {.kind = spool::ValueKind::kUnsigned, .div = 1000},
    .unit = "seconds"};
constexpr FamilySpec kWaiting{.name = "do_agent_spool_waiting_records",
                              .help = "Records that could not be stored yet and wait in memory.",
                              .representation = kPlain};
constexpr FamilySpec kParked{.name = "do_agent_spool_parked_records",
                             .help = "Records that a receiver refused for good.",
                             .representation = kPlain};
constexpr FamilySpec kBytes{.name = "do_agent_spool_bytes",
                            .help = "Size of the database and its log.",
                            .representation = kPlain,
                            .unit = "bytes"};
constexpr FamilySpec kBytesMax{.name = "do_agent_spool_bytes_max",
                               .help = "What the spool may have at most; 0: no limit.",
                               .representation = kPlain,
                               .unit = "bytes"};
constexpr FamilySpec kEvents{.name = "do_agent_spool_events_total",
                             .help = "Entries of the loss ledger and other events, by kind.",
                             .type = MetricType::kCounter,
                             .representation = kPlain,
                             .labels = {"kind"}};
constexpr FamilySpec kEventRecords{.name = "do_agent_spool_event_records_total",
                                   .help = "Records or snapshots that these events are about.",
                                   .type = MetricType::kCounter,
                                   .representation = kPlain,
                                   .labels = {"kind"}};
constexpr FamilySpec kLost{.name = "do_agent_spool_lost_records_total",
                           .help =
                               "Snapshots that no spool will ever have: gaps, evictions, "
                               "thinning, rejections, salvage losses.",
                           .type = MetricType::kCounter,
                           .representation = kPlain};

}  // namespace

SpoolMetrics::SpoolMetrics()
    : pending_(builder_.Declare(kPending)),
      oldest_(builder_.Declare(kOldest)),
      waiting_(builder_.Declare(kWaiting)),
      parked_(builder_.Declare(kParked)),
      bytes_(builder_.Declare(kBytes)),
      bytes_max_(builder_.Declare(kBytesMax)),
      events_(builder_.Declare(kEvents)),
      event_records_(builder_.Declare(kEventRecords)),
      lost_(builder_.Declare(kLost)) {}

void SpoolMetrics::Add(const spool::SpoolStats& stats, spool::Snapshot& snapshot) {
  spool::Section& section = snapshot.sections.emplace_back();
  builder_.Begin(section);
  builder_.Add(pending_, stats.pending_records);
  if (stats.oldest_pending) {
    builder_.Add(oldest_, static_cast<std::uint64_t>(UnixMilliseconds(*stats.oldest_pending)));
  }
  builder_.Add(waiting_, stats.waiting_records);
  builder_.Add(parked_, stats.parked_records);
  builder_.Add(bytes_, stats.file_bytes);
  builder_.Add(bytes_max_, stats.bytes_max);
  std::uint64_t lost = 0;
  for (const spool::LedgerTotal& total : stats.ledger) {
    builder_.Add(events_, {spool::Name(total.kind)}, total.events);
    builder_.Add(event_records_, {spool::Name(total.kind)}, total.records);
    if (spool::MeansLoss(total.kind)) lost += total.records;
  }
  builder_.Add(lost_, lost);
  if (!builder_.Finish()) snapshot.sections.pop_back();
}

}  // namespace doagent::agent
