#include "tools/do-agent/collect_command.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "collector/collector.h"
#include "tools/cli/exposition.h"
#include "tools/cli/output.h"
#include "tools/cli/record_writer.h"
#include "tools/cli/sample_format.h"

namespace doagent::agent {
namespace {

constexpr int kDone = 0;
constexpr int kUsage = 2;
constexpr int kWorld = 3;

// The section in which the collectors' own success stands: there even if nothing else is.
constexpr std::string_view kScrape = "scrape";

int Report(const CollectEnvironment& environment, int status, const std::string& message) {
  std::string line = "do-agent collect: ";
  cli::AppendPrintable(message, line);
  line += '\n';
  std::fputs(line.c_str(), environment.err);
  return status;
}

void ReportProblems(collector::Collector& collector, const CollectEnvironment& environment) {
  for (const collector::Problem& problem : collector.TakeStateChanges()) {
    Report(environment, kDone,
           "collector " + problem.collector + ": " + problem.file + ": " +
               (problem.ended ? "works again" : problem.message));
  }
}

bool FoundAnything(const spool::Snapshot& snapshot) {
  return std::any_of(
      snapshot.sections.begin(), snapshot.sections.end(),
      [](const spool::Section& section) { return section.schema->collector() != kScrape; });
}

void Append(const spool::Snapshot& snapshot, CollectFormat format, std::string& out) {
  if (format == CollectFormat::kJson) {
    cli::AppendSnapshotJson(snapshot, out);
  } else {
    cli::AppendExposition(snapshot, out);
  }
}

}  // namespace

int Collect(const CollectSettings& settings, const collector::CollectorOptions& options,
            const CollectEnvironment& environment) {
  auto created = collector::Collector::Create(options);
  if (!created) return Report(environment, kUsage, created.error().Message());
  collector::Collector& collector = **created;

  cli::Output output(environment.out, "standard output");
  spool::Snapshot snapshot;
  bool found_anything = false;
  const MonoTime start = environment.monotonic_now();
  for (std::uint64_t i = 0; i < settings.count; ++i) {
    const auto due = start + settings.interval * static_cast<std::int64_t>(i);
    if (i > 0 && environment.stop_asked_until(due)) break;
    // Neither format shows the boot id, and a copied procfs may have none.
    collector.Collect(environment.wall_now(), environment.monotonic_now(), BootId(), snapshot);
    ReportProblems(collector, environment);
    found_anything = found_anything || FoundAnything(snapshot);
    if (i > 0 && settings.format == CollectFormat::kPrometheus) output.text() += '\n';
    Append(snapshot, settings.format, output.text());
    const auto open = output.Flush();
    if (!open) return Report(environment, kWorld, open.error().Message());
    if (!*open) return kDone;  // nobody reads any more
  }
  if (found_anything) return kDone;
  return Report(environment, kWorld,
                options.procfs.string() +
                    ": no collector found anything; is --procfs the proc file system of a Linux "
                    "host?");
}

}  // namespace doagent::agent
