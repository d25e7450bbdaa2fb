// The collector "diskstats": I/O of each block device that its filter accepts, from
// /proc/diskstats. The properties that udev knows of a device stay empty, as in node_exporter
// where there is no udev.

#include <array>
#include <string>
#include <vector>

#include "collector/diskstats.h"
#include "collector/label_text.h"
#include "collector/position_cache.h"
#include "collector/proc_file.h"
#include "collector/sources.h"

namespace doagent::collector {
namespace {

constexpr FamilySpec DiskFamily(std::string_view name, std::string_view help,
                                spool::Representation representation, std::string_view unit = "",
                                spool::MetricType type = spool::MetricType::kCounter) {
  return {.name = name,
          .help = help,
          .type = type,
          .representation = representation,
          .unit = unit,
          .labels = {"device"}};
}

// One for each column of the file.
constexpr std::array<FamilySpec, DiskStats::kColumns> kFamilies{{
    DiskFamily("node_disk_reads_completed_total",
               "The total number of reads completed successfully.", kPlain),
    DiskFamily("node_disk_reads_merged_total", "The total number of reads merged.", kPlain),
    DiskFamily("node_disk_read_bytes_total", "The total number of bytes read successfully.",
               kTimes512, "bytes"),
    DiskFamily("node_disk_read_time_seconds_total",
               "The total number of seconds spent by all reads.", kPerThousand, "seconds"),
    DiskFamily("node_disk_writes_completed_total",
               "The total number of writes completed successfully.", kPlain),
    DiskFamily("node_disk_writes_merged_total", "The number of writes merged.", kPlain),
    DiskFamily("node_disk_written_bytes_total", "The total number of bytes written successfully.",
               kTimes512, "bytes"),
    DiskFamily("node_disk_write_time_seconds_total",
               "This is the total number of seconds spent by all writes.", kPerThousand, "seconds"),
    DiskFamily("node_disk_io_now", "The number of I/Os currently in progress.", kPlain, "",
               spool::MetricType::kGauge),
    DiskFamily("node_disk_io_time_seconds_total", "Total seconds spent doing I/Os.", kPerThousand,
               "seconds"),
    DiskFamily("node_disk_io_time_weighted_seconds_total",
               "The weighted # of seconds spent doing I/Os.", kPerThousand, "seconds"),
    DiskFamily("node_disk_discards_completed_total",
               "The total number of discards completed successfully.", kPlain),
    DiskFamily("node_disk_discards_merged_total", "The total number of discards merged.", kPlain),
    DiskFamily("node_disk_discarded_sectors_total",
               "The total number of sectors discarded successfully.", kPlain, "sectors"),
    DiskFamily("node_disk_discard_time_seconds_total",
               "This is the total number of seconds spent by all discards.", kPerThousand,
               "seconds"),
    DiskFamily("node_disk_flush_requests_total",
               "The total number of flush requests completed successfully", kPlain),
    DiskFamily("node_disk_flush_requests_time_seconds_total",
               "This is the total number of seconds spent by all flush requests.", kPerThousand,
               "seconds"),
}};

constexpr FamilySpec kInfoFamily{
    .name = "node_disk_info",
    .help = "Info of /sys/block/<block_device>.",
    .representation = kInfo,
    .labels = {"device", "major", "minor", "model", "path", "revision", "serial", "wwn"}};

class DiskstatsSource final : public Source {
 public:
  DiskstatsSource(ProcFile file, NameFilter filter)
      : Source("diskstats"), file_(std::move(file)), filter_(std::move(filter)) {
    for (std::size_t i = 0; i < kFamilies.size(); ++i) ids_[i] = builder_.Declare(kFamilies[i]);
  }

  Result<void> Collect(const Tick& /*tick*/) override {
    const auto parse = [&](std::string_view text) { return ParseDiskstats(text, disks_); };
    DOAGENT_ASSIGN(const bool found, ReadAndParse(file_, parse));
    if (!found) return {};
    devices_.Begin();
    for (const auto& disk : disks_) {
      Device& device = devices_.Next(disk.device, [&] { return MakeDevice(disk); });
      if (device.major != disk.major || device.minor != disk.minor) device = MakeDevice(disk);
      if (device.is_shown) AddDisk(device, disk);
    }
    devices_.End();
    return {};
  }

 private:
  struct Device {
    bool is_shown = false;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    std::string label;
    std::string major_label;
    std::string minor_label;
  };

  Device MakeDevice(const DiskStats& disk) const {
    return {.is_shown = filter_.Accepts(disk.device),
            .major = disk.major,
            .minor = disk.minor,
            .label = LabelText(disk.device),
            .major_label = std::to_string(disk.major),
            .minor_label = std::to_string(disk.minor)};
  }

  void AddDisk(const Device& device, const DiskStats& disk) {
    builder_.Add(info_, {device.label, device.major_label, device.minor_label, "", "", "", "", ""},
                 kInfoBits);
    for (std::uint32_t i = 0; i < disk.columns; ++i) {
      builder_.Add(ids_[i], {device.label}, disk.values[i]);
    }
  }

  ProcFile file_;
  const NameFilter filter_;
  std::vector<DiskStats> disks_;
  PositionCache<Device> devices_;
  const SectionBuilder::FamilyId info_ = builder_.Declare(kInfoFamily);
  std::array<SectionBuilder::FamilyId, kFamilies.size()> ids_{};
};

}  // namespace

SourceResult MakeDiskstatsSource(const SourceContext& context) {
  DOAGENT_ASSIGN(auto filter, context.settings.GetDeviceFilter());
  return std::make_unique<DiskstatsSource>(context.ProcTable("diskstats"), std::move(filter));
}

}  // namespace doagent::collector
