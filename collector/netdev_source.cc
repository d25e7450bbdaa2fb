// The collector "netdev": traffic of each network device that its filter accepts, from
// /proc/net/dev, and the packets that no handler took, from sysfs.
//
// node_exporter asks over netlink and then adds the finer counters up to those of /proc/net/dev;
// only "nohandler" is not in that file.

#include <array>
#include <string>
#include <vector>

#include "collector/label_text.h"
#include "collector/net_dev.h"
#include "collector/position_cache.h"
#include "collector/proc_file.h"
#include "collector/sources.h"
#include "collector/sysfs_number.h"

namespace doagent::collector {
namespace {

// So many descriptors are kept open; those of further devices are opened for each reading.
constexpr std::size_t kDescriptorsMax = 64;

constexpr FamilySpec NetFamily(std::string_view name, std::string_view help,
                               std::string_view unit = "") {
  return {.name = name,
          .help = help,
          .type = spool::MetricType::kCounter,
          .representation = kPlain,
          .unit = unit,
          .labels = {"device"}};
}

// One for each column of the file.
constexpr std::array<FamilySpec, NetDev::kColumns> kFamilies{{
    NetFamily("node_network_receive_bytes_total", "Network device statistic receive_bytes.",
              "bytes"),
    NetFamily("node_network_receive_packets_total", "Network device statistic receive_packets."),
    NetFamily("node_network_receive_errs_total", "Network device statistic receive_errs."),
    NetFamily("node_network_receive_drop_total", "Network device statistic receive_drop."),
    NetFamily("node_network_receive_fifo_total", "Network device statistic receive_fifo."),
    NetFamily("node_network_receive_frame_total", "Network device statistic receive_frame."),
    NetFamily("node_network_receive_compressed_total",
              "Network device statistic receive_compressed."),
    NetFamily("node_network_receive_multicast_total",
              "Network device statistic receive_multicast."),
    NetFamily("node_network_transmit_bytes_total", "Network device statistic transmit_bytes.",
              "bytes"),
    NetFamily("node_network_transmit_packets_total", "Network device statistic transmit_packets."),
    NetFamily("node_network_transmit_errs_total", "Network device statistic transmit_errs."),
    NetFamily("node_network_transmit_drop_total", "Network device statistic transmit_drop."),
    NetFamily("node_network_transmit_fifo_total", "Network device statistic transmit_fifo."),
    NetFamily("node_network_transmit_colls_total", "Network device statistic transmit_colls."),
    NetFamily("node_network_transmit_carrier_total", "Network device statistic transmit_carrier."),
    NetFamily("node_network_transmit_compressed_total",
              "Network device statistic transmit_compressed."),
}};

constexpr FamilySpec kNohandler = NetFamily("node_network_receive_nohandler_total",
                                            "Network device statistic receive_nohandler.");

class NetdevSource final : public Source {
 public:
  NetdevSource(ProcFile file, std::filesystem::path class_net, NameFilter filter)
      : Source("netdev"),
        file_(std::move(file)),
        class_net_(std::move(class_net)),
        filter_(std::move(filter)) {
    for (std::size_t i = 0; i < kFamilies.size(); ++i) ids_[i] = builder_.Declare(kFamilies[i]);
  }

  Result<void> Collect(const Tick& /*tick*/) override {
    const auto parse = [&](std::string_view text) { return ParseNetDev(text, stats_); };
    DOAGENT_ASSIGN(const bool found, ReadAndParse(file_, parse));
    if (!found) return {};
    std::size_t shown = 0;
    devices_.Begin();
    for (const auto& dev : stats_) {
      Device& device = devices_.Next(dev.device, [&] { return MakeDevice(dev.device); });
      if (!device.is_shown) continue;
      DOAGENT_TRY(AddDevice(device, dev));
      if (++shown > kDescriptorsMax) device.nohandler.Close();
    }
    devices_.End();
    return {};
  }

 private:
  struct Device {
    bool is_shown;
    std::string label;
    ProcFile nohandler;
  };

  Device MakeDevice(std::string_view name) const {
    const auto path = class_net_ / std::string(name) / "statistics/rx_nohandler";
    return {filter_.Accepts(name), LabelText(name), ProcFile(path, ProcFile::Shape::kValue)};
  }

  Result<void> AddDevice(Device& device, const NetDev& dev) {
    std::uint64_t nohandler = 0;
    const auto parse = [&](std::string_view text) -> Result<void> {
      DOAGENT_ASSIGN(nohandler, ParseSysfsNumber(text));
      return {};
    };
    DOAGENT_ASSIGN(const bool has_nohandler, ReadAndParse(device.nohandler, parse));
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      builder_.Add(ids_[i], {device.label}, dev.values[i]);
    }
    if (has_nohandler) builder_.Add(nohandler_, {device.label}, nohandler);
    return {};
  }

  ProcFile file_;
  const std::filesystem::path class_net_;
  const NameFilter filter_;
  std::vector<NetDev> stats_;
  PositionCache<Device> devices_;
  std::array<SectionBuilder::FamilyId, kFamilies.size()> ids_{};
  const SectionBuilder::FamilyId nohandler_ = builder_.Declare(kNohandler);
};

}  // namespace

SourceResult MakeNetdevSource(const SourceContext& context) {
  DOAGENT_ASSIGN(auto filter, context.settings.GetDeviceFilter());
  return std::make_unique<NetdevSource>(context.ProcTable("net/dev"),
                                        context.options.sysfs / "class/net", std::move(filter));
}

}  // namespace doagent::collector
