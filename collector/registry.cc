#include "collector/registry.h"

#include <utility>

namespace doagent::collector {
namespace {

constexpr const char* kMountPointsExclude =
    R"(^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/))";
constexpr const char* kFsTypesExclude =
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|"
    "mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|"
    "tracefs)$";
constexpr const char* kDisksExclude = R"(^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$)";
constexpr const char* kVmstatFields = "^(oom_kill|pgpg|pswp|pg.*fault).*";

// `older_*` are the names of the options in older versions of node_exporter.
std::vector<OptionInfo> DeviceOptions(const std::string& devices, const char* exclude,
                                      std::vector<std::string> older_include,
                                      std::vector<std::string> older_exclude) {
  return {{"device-include",
           "show only " + devices +
               " whose name matches this regular expression (not together "
               "with device-exclude)",
           "", std::move(older_include)},
          {"device-exclude",
           "leave out " + devices +
               " whose name matches this regular expression (not together "
               "with device-include)",
           exclude, std::move(older_exclude)}};
}

CollectorInfo Info(std::string name, std::string description,
                   std::vector<OptionInfo> options = {}) {
  return {.name = std::move(name),
          .description = std::move(description),
          .enabled_by_default = true,
          .options = std::move(options)};
}

}  // namespace

std::vector<RegistryEntry> Registry() {
  return {
      {Info("cpu", "seconds of each CPU in each mode (/proc/stat)",
            {{"guest", "show the seconds spent in guests as well", "true"}}),
       MakeCpuSource},
      {Info("diskstats", "I/O of block devices (/proc/diskstats)",
            DeviceOptions("block devices", kDisksExclude, {}, {"ignored-devices"})),
       MakeDiskstatsSource},
      {Info("filefd", "open files of the whole system (/proc/sys/fs/file-nr)"), MakeFilefdSource},
      {Info("filesystem", "space and inodes of mounted file systems (/proc/1/mountinfo, statvfs)",
            {{"mount-points-exclude",
              "leave out mount points that match this regular expression",
              kMountPointsExclude,
              {"ignored-mount-points"}},
             {"fs-types-exclude",
              "leave out file system types that match this regular expression",
              kFsTypesExclude,
              {"ignored-fs-types"}}}),
       MakeFilesystemSource},
      {Info("loadavg", "load averages (/proc/loadavg)"), MakeLoadavgSource},
      {Info("meminfo", "memory by use (/proc/meminfo)"), MakeMeminfoSource},
      {Info("netdev", "traffic of network devices (/proc/net/dev)",
            DeviceOptions("network devices", "", {"device-whitelist"},
                          {"device-blacklist", "ignored-devices"})),
       MakeNetdevSource},
      {Info("stat", "interrupts, context switches, forks, processes and boot time (/proc/stat)"),
       MakeStatSource},
      {Info("time", "the wall clock, the time zone and the kernel's clock sources"),
       MakeTimeSource},
      {Info("uname", "name and release of the kernel (uname)"), MakeUnameSource},
      {Info("vmstat", "counters of the virtual memory system (/proc/vmstat)",
            {{"fields", "show the fields that match this regular expression", kVmstatFields}}),
       MakeVmstatSource},
  };
}

}  // namespace doagent::collector
