// What a Collector can be told. Plain values; whoever fills them reads flags, files and variables.
#pragma once

#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spool/time.h"

namespace doagent::collector {

// The settings of collectors as node_exporter names them: collector -> option -> value.
// --collector.netdev.device-exclude=^lo$ is {"netdev": {"device-exclude": "^lo$"}}.
using CollectorSettings = std::map<std::string, std::map<std::string, std::string>>;

struct CollectorOptions {
  std::filesystem::path procfs = "/proc";
  std::filesystem::path sysfs = "/sys";
  std::filesystem::path rootfs = "/";  // under which the mount points stand

  // The collectors to run, exactly these; nothing: those that are on by default.
  std::optional<std::vector<std::string>> enabled;
  CollectorSettings settings;

  // Ticks a second in /proc/stat: sysconf(_SC_CLK_TCK).
  std::uint32_t user_hz = 100;
  // CLOCK_MONOTONIC, for the durations of collectors. REQUIRED.
  std::function<MonoTime()> monotonic_now;

  // The system calls behind uname, time and filesystem, for tests to replace. statvfs is called on
  // threads of its own, several at a time when one of them hangs, and may be called, and return,
  // after the Collector is gone.
  std::function<int(struct utsname*)> uname = ::uname;
  std::function<std::tm*(const std::time_t*, std::tm*)> localtime = ::localtime_r;
  std::function<int(const char*, struct statvfs*)> statvfs = ::statvfs;

  // How long the first Collect may wait for statvfs, so that a single one has values; how long
  // each later one may (on one CPU the worker runs only while the tick waits); and after how long
  // without an answer a mount is reported as stuck.
  Nanoseconds statvfs_first_wait = std::chrono::seconds(1);
  Nanoseconds statvfs_wait = std::chrono::milliseconds(5);
  Nanoseconds statvfs_stuck_after = std::chrono::seconds(5);
};

// One option of a collector: --collector.COLLECTOR.NAME=VALUE.
struct OptionInfo {
  std::string name;
  std::string description;
  std::string default_value;
  std::vector<std::string> older_names = {};  // what older versions of node_exporter call it
};

struct CollectorInfo {
  std::string name;
  std::string description;
  bool enabled_by_default = true;
  std::vector<OptionInfo> options;
};

}  // namespace doagent::collector
