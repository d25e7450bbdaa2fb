#include "collector/collector.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <utility>

#include "collector/proc_stat_reader.h"
#include "collector/registry.h"
#include "collector/settings.h"
#include "collector/source.h"
#include "spool/check.h"

namespace doagent::collector {
namespace {

// Durations in nanoseconds would be nothing but entropy to whoever stores them.
constexpr Nanoseconds kDurationUnit = std::chrono::microseconds(10);

constexpr FamilySpec kDuration{
    .name = "node_scrape_collector_duration_seconds",
    .help = "node_exporter: Duration of a collector scrape.",
    .representation = {.kind = spool::ValueKind::kUnsigned, .div = 100'000},
    .unit = "seconds",
    .labels = {"collector"}};
constexpr FamilySpec kSuccess{.name = "node_scrape_collector_success",
                              .help = "node_exporter: Whether a collector succeeded.",
                              .representation = kPlain,
                              .labels = {"collector"}};

// Without a slash at its end, so that it can be compared and joined as text.
std::filesystem::path Normal(const std::filesystem::path& path) {
  std::string text = path.lexically_normal();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

Result<void> CheckProcfs(const std::filesystem::path& procfs) {
  std::error_code error;
  if (std::filesystem::is_directory(procfs, error)) return {};
  return Fail(ErrorCode::kRefuse, "procfs",
              "\"" + procfs.string() + "\" is not a directory" +
                  (error ? ": " + error.message() : "") + "; name the place of a procfs");
}

std::string Names(const std::vector<RegistryEntry>& registry) {
  std::string names;
  for (const auto& entry : registry) names += (names.empty() ? "" : ", ") + entry.info.name;
  return names;
}

// Refuses names of collectors that do not exist.
Result<void> CheckNames(const CollectorOptions& options,
                        const std::vector<RegistryEntry>& registry) {
  std::vector<std::string> named = options.enabled.value_or(std::vector<std::string>());
  for (const auto& [name, settings] : options.settings) named.push_back(name);
  for (const auto& name : named) {
    const bool known = std::any_of(registry.begin(), registry.end(),
                                   [&](const auto& entry) { return entry.info.name == name; });
    if (known) continue;
    return Fail(ErrorCode::kRefuse, "collector." + name,
                "no such collector; there are: " + Names(registry));
  }
  return {};
}

bool IsEnabled(const CollectorOptions& options, const CollectorInfo& info) {
  if (!options.enabled) return info.enabled_by_default;
  return std::find(options.enabled->begin(), options.enabled->end(), info.name) !=
         options.enabled->end();
}

// One collector and how it fared in this tick.
struct Running {
  std::string name;
  std::unique_ptr<Source> source;
  Result<void> result{};
  Nanoseconds duration{0};
};

}  // namespace

class Collector::Impl {
 public:
  Impl(std::vector<Running> running, std::function<MonoTime()> now)
      : running_(std::move(running)), now_(std::move(now)) {}

  void Collect(WallTime wall, MonoTime mono, BootId boot_id, spool::Snapshot& out) {
    out.wall = wall;
    out.mono = mono;
    out.boot_id = boot_id;
    const Tick tick{.number = ++ticks_, .wall = wall, .mono = mono};
    std::size_t used = 0;
    MonoTime last = now_();
    for (auto& one : running_) {
      one.result = one.source->Start(tick);
      one.duration = Lap(last);
    }
    for (auto& one : running_) {
      if (CollectOne(one, tick, SectionAt(out, used))) ++used;
      one.duration += Lap(last);
    }
    if (AddScrape(SectionAt(out, used))) ++used;
    out.sections.resize(used);
    problems_.EndTick();
  }

  std::vector<Problem> TakeStateChanges() { return problems_.Take(); }

 private:
  static spool::Section& SectionAt(spool::Snapshot& out, std::size_t index) {
    if (index >= out.sections.size()) out.sections.resize(index + 1);
    return out.sections[index];
  }

  Nanoseconds Lap(MonoTime& last) const {
    const MonoTime now = now_();
    return now - std::exchange(last, now);
  }

  // False: there is no section.
  bool CollectOne(Running& one, const Tick& tick, spool::Section& section) {
    SectionBuilder& builder = one.source->builder();
    builder.Begin(section);
    if (one.result) one.result = one.source->Collect(tick);
    if (one.result && builder.overflowed()) {
      one.result = Fail(ErrorCode::kRefuse, "collector." + one.name,
                        "more than " + std::to_string(spool::kSeriesMax) +
                            " series, or too long labels; leave some out with its options");
    }
    if (!one.result) {
      builder.Discard();
      problems_.Seen(one.name, one.result.error().where, one.result.error().what);
    }
    one.source->ReportProblems(problems_);
    return builder.Finish();
  }

  bool AddScrape(spool::Section& section) {
    scrape_.Begin(section);
    for (const auto& one : running_) {
      const auto units =
          std::max<std::int64_t>(0, (one.duration + kDurationUnit / 2) / kDurationUnit);
      scrape_.Add(duration_, {one.name}, static_cast<std::uint64_t>(units));
      scrape_.Add(success_, {one.name}, one.result ? 1 : 0);
    }
    return scrape_.Finish();
  }

  std::vector<Running> running_;
  const std::function<MonoTime()> now_;
  std::uint64_t ticks_ = 0;
  ProblemTracker problems_;
  SectionBuilder scrape_{"scrape"};
  const SectionBuilder::FamilyId duration_ = scrape_.Declare(kDuration);
  const SectionBuilder::FamilyId success_ = scrape_.Declare(kSuccess);
};

std::vector<CollectorInfo> AvailableCollectors() {
  std::vector<CollectorInfo> infos;
  for (auto& entry : Registry()) infos.push_back(std::move(entry.info));
  return infos;
}

std::vector<std::string> EnabledCollectors(const CollectorOptions& options) {
  std::vector<std::string> names;
  for (const auto& info : AvailableCollectors()) {
    if (IsEnabled(options, info)) names.push_back(info.name);
  }
  return names;
}

Collector::Collector(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Collector::~Collector() = default;

Result<std::unique_ptr<Collector>> Collector::Create(CollectorOptions options) {
  DOAGENT_CHECK(options.monotonic_now != nullptr && options.user_hz > 0);
  const auto registry = Registry();
  DOAGENT_TRY(CheckNames(options, registry));
  DOAGENT_TRY(CheckProcfs(options.procfs));
  options.procfs = Normal(options.procfs);
  options.sysfs = Normal(options.sysfs);
  options.rootfs = Normal(options.rootfs);

  const auto buffer = std::make_shared<ReadBuffer>();
  const auto proc_stat = std::make_shared<ProcStatReader>(options.procfs / "stat", buffer);
  std::vector<Running> running;
  for (const auto& entry : registry) {
    // Settings are checked for those that do not run, too: a typing error should not wait.
    DOAGENT_ASSIGN(const auto settings,
                   Settings::Resolve(entry.info, options.settings[entry.info.name]));
    DOAGENT_ASSIGN(auto source, entry.make(SourceContext{options, settings, proc_stat, buffer}));
    if (!IsEnabled(options, entry.info)) continue;
    running.push_back({.name = entry.info.name, .source = std::move(source)});
  }
  std::stable_partition(running.begin(), running.end(),
                        [](const Running& one) { return !one.source->IsDeferred(); });
  auto impl = std::make_unique<Impl>(std::move(running), options.monotonic_now);
  return std::unique_ptr<Collector>(new Collector(std::move(impl)));
}

void Collector::Collect(WallTime wall, MonoTime mono, BootId boot_id, spool::Snapshot& out) {
  impl_->Collect(wall, mono, boot_id, out);
}

std::vector<Problem> Collector::TakeStateChanges() {
  return impl_->TakeStateChanges();
}

}  // namespace doagent::collector
