#include "tools/do-agent/node_exporter_flags.h"

#include <string_view>

namespace doagent::agent {
namespace {

constexpr std::string_view kOn = "--collector.";
constexpr std::string_view kOff = "--no-collector.";

// Its Linux collectors that do-agent does not have.
constexpr std::string_view kCollectors =
    " arp bcache bcachefs bonding btrfs buddyinfo cgroups conntrack cpufreq "
    "cpu_vulnerabilities dmi dmmultipath drbd drm edac entropy ethtool fibrechannel hwmon "
    "infiniband interrupts ipvs kernel_hung ksmd lnstat logind mdadm meminfo_numa "
    "mountstats netclass netstat network_route nfs nfsd ntp nvme nvmesubsystem os "
    "pcidevice perf powersupplyclass pressure processes qdisc rapl runit schedstat selinux "
    "slabinfo sockstat softirqs softnet supervisord swap sysctl systemd tapestats tcpstat "
    "textfile thermal_zone timex udp_queues watchdog wifi xfrm xfs zfs zoneinfo ";

bool BeginsWith(std::string_view text, std::string_view beginning) {
  return text.substr(0, beginning.size()) == beginning;
}

// "wifi" of "wifi", "textfile" of "textfile.directory".
std::string CollectorOf(std::string_view name) {
  return std::string(name.substr(0, name.find('.')));
}

bool IsMissing(const std::string& collector) {
  return kCollectors.find(" " + collector + " ") != std::string_view::npos;
}

}  // namespace

std::optional<cli::ForeignFlag> NodeExporterFlag(const std::string& flag) {
  const std::string_view text = flag;
  if (BeginsWith(text, kOff)) {
    const std::string collector = CollectorOf(text.substr(kOff.size()));
    if (!IsMissing(collector)) return std::nullopt;
    return cli::ForeignFlag{
        "do-agent has no collector " + collector + " yet, so there is nothing to turn off", true};
  }
  if (flag == "--collector.disable-defaults") {
    return cli::ForeignFlag{"do-agent does not have it; name the collectors with --collectors a,b"};
  }
  if (BeginsWith(text, kOn)) {
    const std::string collector = CollectorOf(text.substr(kOn.size()));
    if (!IsMissing(collector)) return std::nullopt;
    return cli::ForeignFlag{"do-agent has no collector " + collector +
                            " yet, as node_exporter has; leave this out"};
  }
  if (BeginsWith(text, "--web.")) {
    return cli::ForeignFlag{
        "is for node_exporter's HTTP server, and do-agent has none: it sends to --endpoint; leave "
        "this out"};
  }
  return std::nullopt;
}

}  // namespace doagent::agent
