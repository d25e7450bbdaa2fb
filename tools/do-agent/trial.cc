#include "tools/do-agent/trial.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "collector/collector.h"
#include "collector/host.h"
#include "spool/spool.h"
#include "tools/cli/typed_value.h"

namespace doagent::agent {
namespace {

bool IsFolder(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

// Every kernel's has these, and a copy for tests or of another machine at least one.
bool IsProcfs(const std::filesystem::path& path) {
  for (const char* file : {"stat", "meminfo", "loadavg", "uptime"}) {
    std::error_code ignored;
    if (std::filesystem::exists(path / file, ignored)) return true;
  }
  return false;
}

// As the effective user, which is who opens files.
bool MayDo(const std::filesystem::path& path, int access) {
  return ::faccessat(AT_FDCWD, path.c_str(), access, AT_EACCESS) == 0;
}

std::string Joined(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

std::string CountText(std::size_t count, const std::string& unit) {
  return std::to_string(count) + " " + unit;
}

class Trials {
 public:
  Trials(const AgentSettings& settings, const cli::Values& values)
      : settings_(settings), values_(values) {}

  std::vector<Trial> Run(const Resolver& resolve) {
    TryRoots();
    TryCollectors();
    TrySpool();
    for (const cli::Endpoint& endpoint : settings_.delivery.endpoints) {
      TryEndpoint(endpoint, resolve);
    }
    return std::move(trials_);
  }

 private:
  void Works(std::string subject, std::string found) {
    trials_.push_back({std::move(subject), true, std::move(found)});
  }

  void Fails(std::string subject, Error error) {
    trials_.push_back({std::move(subject), false, {}, std::move(error)});
  }

  // Under the name that the setting was given with: flag, variable, or line of the file.
  void FailsAt(const char* key, const std::string& what) {
    Fails(key, ErrorAt(cli::At(values_, key), what));
  }

  void TryRoots() {
    const std::filesystem::path& procfs = settings_.collector.procfs;
    const std::filesystem::path& sysfs = settings_.collector.sysfs;
    const std::filesystem::path& rootfs = settings_.collector.rootfs;
    if (IsFolder(procfs) && !IsProcfs(procfs)) {  // CheckSettings tells of what is no folder
      FailsAt("procfs", procfs.string() +
                            " has none of the files that every procfs has: it is none, or is "
                            "mounted with subset=pid; name another with --procfs");
    }
    if (!IsFolder(sysfs)) FailsAt("sysfs", sysfs.string() + " is not a folder");
    if (!IsFolder(rootfs)) FailsAt("rootfs", rootfs.string() + " is not a folder");
    const auto host = collector::ReadHost(procfs, rootfs);
    if (!host) Fails("host", host.error());
    const auto boot_id = collector::ReadBootId(procfs);
    if (!boot_id) Fails("host", boot_id.error());
  }

  void TryCollectors() {
    const auto created = collector::Collector::Create(settings_.collector);
    if (!created) return;  // an option that it refuses: CheckSettings has told it
    collector::Collector& collector = **created;
    spool::Snapshot snapshot;
    collector.Collect(WallTime(), settings_.collector.monotonic_now(), BootId(), snapshot);
    std::map<std::string, std::size_t> series;
    for (const spool::Section& section : snapshot.sections) {
      series[section.schema->collector()] = section.schema->size();
    }
    std::map<std::string, Error> problems;
    for (const collector::Problem& problem : collector.TakeStateChanges()) {
      problems[problem.collector] = {ErrorCode::kRetry, "collector " + problem.collector,
                                     problem.file + ": " + problem.message};
    }
    for (const std::string& name : collector::EnabledCollectors(settings_.collector)) {
      const std::string subject = "collector " + name;
      if (const auto problem = problems.find(name); problem != problems.end()) {
        Fails(subject, problem->second);
      } else if (series[name] == 0) {
        Works(subject, "finds nothing on this host");
      } else {
        Works(subject, CountText(series[name], "series"));
      }
    }
  }

  void TrySpool() {
    const std::filesystem::path& file = settings_.spool;
    std::filesystem::path folder = file.parent_path();
    if (folder.empty()) folder = ".";
    if (!IsFolder(folder)) {
      return FailsAt("spool",
                     folder.string() + " is not a folder; make it with: mkdir " + folder.string());
    }
    if (!MayDo(folder, W_OK | X_OK)) {
      return FailsAt("spool", "this user may not write into " + folder.string() + ": " +
                                  std::generic_category().message(errno));
    }
    const auto usable = spool::Spool::CheckPath(file);
    if (!usable) return FailsAt("spool", usable.error().Message());
    std::error_code none;
    const auto bytes = std::filesystem::file_size(file, none);
    if (none) return Works("spool", file.string() + " will be made");
    if (!MayDo(file, R_OK | W_OK)) {
      return FailsAt("spool", "this user may not write to " + file.string() + ": " +
                                  std::generic_category().message(errno));
    }
    Works("spool", file.string() + " is there, " + CountText(bytes >> 10, "KiB"));
  }

  void TryEndpoint(const cli::Endpoint& endpoint, const Resolver& resolve) {
    const std::string subject = "endpoint " + endpoint.Url();
    const auto addresses = resolve(endpoint.address);
    if (!addresses) {
      return Fails(subject, ErrorAt(cli::At(values_, "endpoint"), addresses.error()));
    }
    Works(subject, "is " + Joined(*addresses) + "; whether it answers was not tried");
  }

  const AgentSettings& settings_;
  const cli::Values& values_;
  std::vector<Trial> trials_;
};

}  // namespace

std::vector<Trial> TryWhatRunDoes(const AgentSettings& settings, const cli::Values& values,
                                  const Resolver& resolve) {
  return Trials(settings, values).Run(resolve);
}

}  // namespace doagent::agent
