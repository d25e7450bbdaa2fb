// The collector "cpu": seconds of each online CPU in each mode, from /proc/stat.
//
// The kernel's counters can run backwards: iowait is only approximate, and idle goes back when a
// CPU sleeps or is unplugged. As in node_exporter each counter is held at the highest value seen,
// and when idle jumps back by three seconds or more, the CPU is taken to be a new one.

#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "collector/sources.h"

namespace doagent::collector {
namespace {

using spool::MetricType;

constexpr std::uint64_t kJumpBackSeconds = 3;

constexpr FamilySpec kCpuSeconds{.name = "node_cpu_seconds_total",
                                 .help = "Seconds the CPUs spent in each mode.",
                                 .type = MetricType::kCounter,
                                 .representation = kPlain,
                                 .unit = "seconds",
                                 .labels = {"cpu", "mode"}};
constexpr FamilySpec kGuestSeconds{.name = "node_cpu_guest_seconds_total",
                                   .help = "Seconds the CPUs spent in guests (VMs) for each mode.",
                                   .type = MetricType::kCounter,
                                   .representation = kPlain,
                                   .unit = "seconds",
                                   .labels = {"cpu", "mode"}};

// The label "mode" of each column. Guest times are a family of their own.
constexpr std::array<std::string_view, CpuTimes::kColumns> kModes{
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "user", "nice"};

FamilySpec InTicks(FamilySpec spec, std::uint32_t user_hz) {
  spec.representation.div = user_hz;
  return spec;
}

class CpuSource final : public Source {
 public:
  CpuSource(std::shared_ptr<ProcStatReader> proc_stat, std::uint32_t user_hz, bool guest)
      : Source("cpu"),
        proc_stat_(std::move(proc_stat)),
        jump_back_ticks_(kJumpBackSeconds * user_hz),
        shows_guest_(guest),
        cpu_seconds_(builder_.Declare(InTicks(kCpuSeconds, user_hz))),
        guest_seconds_(builder_.Declare(InTicks(kGuestSeconds, user_hz))) {}

  Result<void> Collect(const Tick& tick) override {
    DOAGENT_ASSIGN(const ProcStat* const stat, proc_stat_->Read(tick));
    if (stat == nullptr) return {};
    Hold(stat->cpus);
    for (const auto& cpu : held_) AddCpu(cpu);
    return {};
  }

 private:
  // Takes over the new counters, except those that ran backwards. Both lists ascend by CPU; one
  // that is no longer online is forgotten.
  void Hold(const std::vector<CpuTimes>& now) {
    next_.clear();
    auto old = held_.begin();
    for (const auto& cpu : now) {
      while (old != held_.end() && old->cpu < cpu.cpu) ++old;
      next_.push_back(old != held_.end() && old->cpu == cpu.cpu ? Merge(*old, cpu) : cpu);
    }
    held_.swap(next_);
  }

  CpuTimes Merge(const CpuTimes& old, CpuTimes cpu) const {
    const std::uint64_t was_idle = old.ticks[CpuTimes::kIdle];
    const std::uint64_t is_idle = cpu.ticks[CpuTimes::kIdle];
    if (was_idle > is_idle && was_idle - is_idle >= jump_back_ticks_) return cpu;
    for (std::size_t i = 0; i < cpu.columns; ++i) {
      if (cpu.ticks[i] < old.ticks[i]) cpu.ticks[i] = old.ticks[i];
    }
    return cpu;
  }

  void AddCpu(const CpuTimes& cpu) {
    std::array<char, 10> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), cpu.cpu).ptr;
    const std::string_view number(digits.data(), static_cast<std::size_t>(end - digits.data()));
    for (std::uint32_t i = 0; i < cpu.columns; ++i) {
      const bool is_guest = i >= CpuTimes::kGuest;
      if (is_guest && !shows_guest_) return;
      builder_.Add(is_guest ? guest_seconds_ : cpu_seconds_, {number, kModes[i]}, cpu.ticks[i]);
    }
  }

  const std::shared_ptr<ProcStatReader> proc_stat_;
  const std::uint64_t jump_back_ticks_;
  const bool shows_guest_;
  const SectionBuilder::FamilyId cpu_seconds_;
  const SectionBuilder::FamilyId guest_seconds_;
  std::vector<CpuTimes> held_;
  std::vector<CpuTimes> next_;
};

}  // namespace

SourceResult MakeCpuSource(const SourceContext& context) {
  DOAGENT_ASSIGN(const bool guest, context.settings.GetBool("guest"));
  return std::make_unique<CpuSource>(context.proc_stat, context.options.user_hz, guest);
}

}  // namespace doagent::collector
