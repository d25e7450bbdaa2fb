#include "tools/do-agent/collect_command.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "collector/collector.h"
#include "tools/cli/complain.h"
#include "tools/cli/exposition.h"
#include "tools/cli/output.h"
#include "tools/cli/record_writer.h"

namespace doagent::agent {
namespace {

using cli::ExitStatus;

// The section in which the collectors' own success stands: there even if nothing else is.
constexpr std::string_view kScrape = "scrape";

ExitStatus Report(const CollectEnvironment& environment, ExitStatus status,
                  const std::string& message) {
  cli::Complain("do-agent", message, environment.err);
  return status;
}

// Whether anything went wrong in this snapshot.
bool ReportProblems(collector::Collector& collector, const CollectEnvironment& environment) {
  bool any = false;
  for (const collector::Problem& problem : collector.TakeStateChanges()) {
    any = any || !problem.ended;
    cli::Complain("do-agent",
                  "collector " + problem.collector + ": " + problem.file + ": " +
                      (problem.ended ? "works again" : problem.message),
                  environment.err);
  }
  return any;
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

ExitStatus Collect(const CollectSettings& settings, const collector::CollectorOptions& options,
                   const CollectEnvironment& environment) {
  auto created = collector::Collector::Create(options);
  if (!created) return Report(environment, ExitStatus::kUsage, created.error().Message());
  collector::Collector& collector = **created;

  cli::Output output(environment.out, "standard output");
  spool::Snapshot snapshot;
  bool found_anything = false;
  bool any_problem = false;
  const MonoTime start = environment.monotonic_now();
  for (std::uint64_t i = 0; i < settings.count; ++i) {
    const auto due = start + settings.interval * static_cast<std::int64_t>(i);
    if (i > 0 && environment.stop_asked_until(due)) break;
    // Neither format shows the boot id, and a copied procfs may have none.
    collector.Collect(environment.wall_now(), environment.monotonic_now(), BootId(), snapshot);
    any_problem = ReportProblems(collector, environment) || any_problem;
    found_anything = found_anything || FoundAnything(snapshot);
    if (i > 0 && settings.format == CollectFormat::kPrometheus) output.text() += '\n';
    Append(snapshot, settings.format, output.text());
    const auto open = output.Flush();
    if (!open) return Report(environment, ExitStatus::kWorld, open.error().Message());
    if (!*open) return ExitStatus::kDone;  // nobody reads any more
  }
  if (!found_anything && !any_problem) {
    return Report(environment, ExitStatus::kWorld,
                  options.procfs.string() +
                      ": has none of the files that the collectors read; name the place of a "
                      "procfs, or of a copy of one, with --procfs");
  }
  if (!found_anything) return ExitStatus::kWorld;  // why has been told
  return any_problem ? ExitStatus::kNo : ExitStatus::kDone;
}

}  // namespace doagent::agent
