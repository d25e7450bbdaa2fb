// The collector "stat": interrupts, context switches, forks, boot time and processes, from
// /proc/stat.

#include <array>

#include "collector/sources.h"

namespace doagent::collector {
namespace {

using spool::MetricType;

struct Column {
  std::optional<std::uint64_t> ProcStat::*value;
  FamilySpec spec;
};

constexpr std::array kColumns{
    Column{&ProcStat::boot_time,
           {.name = "node_boot_time_seconds",
            .help = "Node boot time, in unixtime.",
            .type = MetricType::kGauge,
            .representation = kPlain,
            .unit = "seconds"}},
    Column{&ProcStat::context_switches,
           {.name = "node_context_switches_total",
            .help = "Total number of context switches.",
            .type = MetricType::kCounter,
            .representation = kPlain}},
    Column{&ProcStat::forks,
           {.name = "node_forks_total",
            .help = "Total number of forks.",
            .type = MetricType::kCounter,
            .representation = kPlain}},
    Column{&ProcStat::interrupts,
           {.name = "node_intr_total",
            .help = "Total number of interrupts serviced.",
            .type = MetricType::kCounter,
            .representation = kPlain}},
    Column{&ProcStat::procs_blocked,
           {.name = "node_procs_blocked",
            .help = "Number of processes blocked waiting for I/O to complete.",
            .type = MetricType::kGauge,
            .representation = kPlain}},
    Column{&ProcStat::procs_running,
           {.name = "node_procs_running",
            .help = "Number of processes in runnable state.",
            .type = MetricType::kGauge,
            .representation = kPlain}},
};

class StatSource final : public Source {
 public:
  explicit StatSource(std::shared_ptr<ProcStatReader> proc_stat)
      : Source("stat"), proc_stat_(std::move(proc_stat)) {
    for (std::size_t i = 0; i < kColumns.size(); ++i) ids_[i] = builder_.Declare(kColumns[i].spec);
  }

  Result<void> Collect(const Tick& tick) override {
    DOAGENT_ASSIGN(const ProcStat* const stat, proc_stat_->Read(tick));
    if (stat == nullptr) return {};
    for (std::size_t i = 0; i < kColumns.size(); ++i) {
      if (const auto& value = stat->*kColumns[i].value) builder_.Add(ids_[i], *value);
    }
    return {};
  }

 private:
  const std::shared_ptr<ProcStatReader> proc_stat_;
  std::array<SectionBuilder::FamilyId, kColumns.size()> ids_{};
};

}  // namespace

SourceResult MakeStatSource(const SourceContext& context) {
  return std::make_unique<StatSource>(context.proc_stat);
}

}  // namespace doagent::collector
