#include "tools/do-agent/run_command.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "collector/collector.h"
#include "collector/host.h"
#include "spool/spool.h"
#include "tools/cli/duration.h"
#include "tools/cli/version.h"
#include "tools/do-agent/clock.h"
#include "tools/do-agent/random.h"
#include "tools/do-agent/recorder.h"
#include "tools/do-agent/spool_metrics.h"
#include "tools/do-agent/tick_schedule.h"
#include "tools/do-agent/upload_thread.h"

namespace doagent::agent {
namespace {

// What a stop may wait for acknowledgements of what is on its way.
constexpr Nanoseconds kDeliveryPatience = std::chrono::seconds(1);

// What one step of keeping the spool small may take, on a slow disk.
constexpr Nanoseconds kMaintenanceStepMax = std::chrono::milliseconds(100);

Result<spool::Host> HostOf(const AgentSettings& settings) {
  DOAGENT_ASSIGN(spool::Host host,
                 collector::ReadHost(settings.collector.procfs, settings.collector.rootfs));
  if (!settings.host.hostname.empty()) host.hostname = settings.host.hostname;
  if (!settings.host.region.empty()) host.region = settings.host.region;
  if (!settings.host.droplet_id.empty()) host.droplet_id = settings.host.droplet_id;
  host.agent_version = cli::kVersion;
  return host;
}

Result<std::unique_ptr<spool::Spool>> OpenSpool(const AgentSettings& settings,
                                                const spool::Host& host, const BootId& boot_id,
                                                const Instant& now) {
  spool::SpoolOptions options;
  options.path = settings.spool;
  options.host = host;
  options.boot_id = boot_id;
  options.program = "do-agent";
  options.local = settings.delivery.endpoints.empty();
  options.random = SystemRandom;
  options.retention = settings.retention;
  options.wall = now.wall;
  options.mono = now.mono;
  return spool::Spool::Open(options);
}

std::string Joined(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ",") + text;
  return joined;
}

std::string StartLine(const AgentSettings& settings, const spool::Host& host) {
  std::vector<std::string> urls;
  for (const cli::Endpoint& endpoint : settings.delivery.endpoints) urls.push_back(endpoint.Url());
  return std::string("do-agent ") + cli::kVersion + ": spool " + settings.spool.string() +
         ", host " + (host.hostname.empty() ? "unknown" : host.hostname) + ", a snapshot every " +
         cli::FormatDuration(settings.interval) + ", collectors " +
         Joined(collector::EnabledCollectors(settings.collector)) + ", " +
         (urls.empty() ? "no endpoint (history stays here)" : "endpoint " + Joined(urls));
}

void LogProblems(collector::Collector& collector, spdlog::logger& log) {
  for (const collector::Problem& problem : collector.TakeStateChanges()) {
    const std::string subject = "collector " + problem.collector + ": " + problem.file + ": ";
    if (problem.ended) {
      log.info(subject + "works again");
    } else {
      log.warn(subject + problem.message);
    }
  }
}

// Keeps the spool small in the time that is left until the next tick, less what a step may take.
void Maintain(spool::Spool& spool, MonoTime next_tick, spdlog::logger& log) {
  do {
    const Instant now = ReadClocks();
    const auto more = spool.Maintain(now.wall, now.mono);
    // What keeps it from working keeps appends from it, too, and is logged there.
    if (!more) log.debug("maintenance of the spool: " + more.error().Message());
    if (!more || !*more) return;
  } while (MonotonicNow() + kMaintenanceStepMax < next_tick);
}

// Ticks until something ends it; says what.
std::string TickUntilStopped(const AgentSettings& settings, MonoTime start,
                             cli::StopSignals& signals, Recorder& recorder,
                             collector::Collector& collector, spool::Spool& spool,
                             spdlog::logger& log) {
  const MonoTime end = settings.run_for ? start + *settings.run_for : MonoTime::max();
  TickSchedule schedule(start, settings.interval);
  while (true) {
    const MonoTime next = std::min(schedule.next(), end);
    if (const char* signal = signals.WaitFor(next - MonotonicNow())) return signal;
    const Instant now = ReadClocks();
    if (now.mono >= end) return "the end of run_for";
    recorder.Tick(now, schedule.Take(now.mono));
    LogProblems(collector, log);
    Maintain(spool, schedule.next(), log);
    for (const std::string& notice : spool.TakeNotices()) log.warn(notice);
  }
}

std::string StopLine(const std::string& reason, Nanoseconds ran, const RecorderCounts& counts,
                     const UploadThread* upload) {
  std::string line = "stopped by " + reason + " after " +
                     cli::FormatDuration(std::chrono::floor<std::chrono::milliseconds>(ran)) +
                     ": " + std::to_string(counts.stored) + " snapshots stored, " +
                     std::to_string(counts.delayed) + " kept in memory first, " +
                     std::to_string(counts.rejected) + " refused, " +
                     std::to_string(counts.not_taken) + " not taken";
  if (upload != nullptr) {
    const uploader::UploaderCounters& counted = upload->final_status().counters;
    line += ", " + std::to_string(counted.records_acknowledged) + " records acknowledged, " +
            std::to_string(counted.records_parked) + " set aside";
  }
  return line;
}

}  // namespace

Result<void> Run(const AgentSettings& settings, cli::StopSignals& signals, spdlog::logger& log) {
  DOAGENT_ASSIGN(const spool::Host host, HostOf(settings));
  DOAGENT_ASSIGN(const BootId boot_id, collector::ReadBootId(settings.collector.procfs));
  DOAGENT_ASSIGN(const auto collector, collector::Collector::Create(settings.collector));
  DOAGENT_ASSIGN(const auto spool, OpenSpool(settings, host, boot_id, ReadClocks()));
  log.info(StartLine(settings, host));
  for (const std::string& notice : spool->TakeNotices()) log.warn(notice);

  std::unique_ptr<UploadThread> upload;
  if (!settings.delivery.endpoints.empty()) {
    DOAGENT_ASSIGN(auto transport, MakeTransport(settings.delivery));
    uploader::UploaderOptions options;
    options.random = UniformRandom();
    upload = std::make_unique<UploadThread>(*spool, std::move(transport), std::move(options),
                                            ReadClocks, settings.interval, log);
  }

  const Instant start = ReadClocks();
  SpoolMetrics metrics;
  RecorderOptions options;
  options.interval = settings.interval;
  options.boot_id = boot_id;
  options.collect = [&](const Instant& now, spool::Snapshot& snapshot) {
    collector->Collect(now.wall, now.mono, boot_id, snapshot);
    metrics.Add(spool->Stats(), snapshot);
  };
  options.append_snapshot = [&](const spool::Snapshot& snapshot) {
    return spool->Append(snapshot);
  };
  options.append_event = [&](const spool::Event& event) { return spool->Append(event); };
  Recorder recorder(std::move(options), start, log);

  const std::string reason =
      TickUntilStopped(settings, start.mono, signals, recorder, *collector, *spool, log);
  if (upload) upload->Stop(kDeliveryPatience);
  const Instant end = ReadClocks();
  const bool stored = recorder.Stop(end, reason);
  for (const std::string& notice : spool->TakeNotices()) log.warn(notice);
  log.info(StopLine(reason, end.mono - start.mono, recorder.counts(), upload.get()));
  if (stored && spool->holds_removed_file()) {
    return Fail(ErrorCode::kFatal, settings.spool.string(),
                "what was stored before is lost with its file");
  }
  if (stored) return {};
  return Fail(ErrorCode::kFatal, settings.spool.string(),
              "the stop could not be stored, nor what waited in memory (" +
                  std::to_string(spool->waiting()) + " records with it); " +
                  (spool->holds_removed_file() ? "what was stored before is lost with its file"
                                               : "nothing that was stored before is lost"));
}

}  // namespace doagent::agent
