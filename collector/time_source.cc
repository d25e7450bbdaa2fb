// The collector "time": the wall clock of the snapshot, the offset of the time zone, and the
// kernel's clock sources from sysfs.

#include <deque>
#include <string>
#include <vector>

#include "collector/clocksource.h"
#include "collector/label_text.h"
#include "collector/proc_file.h"
#include "collector/sources.h"

namespace doagent::collector {
namespace {

constexpr FamilySpec kTime{.name = "node_time_seconds",
                           .help = "System time in seconds since epoch (1970).",
                           .representation = {.kind = spool::ValueKind::kSigned, .div = 1000},
                           .unit = "seconds"};
constexpr FamilySpec kZoneOffset{.name = "node_time_zone_offset_seconds",
                                 .help = "System time zone offset in seconds.",
                                 .representation = {.kind = spool::ValueKind::kSigned},
                                 .unit = "seconds",
                                 .labels = {"time_zone"}};
constexpr FamilySpec kAvailable{
    .name = "node_time_clocksource_available_info",
    .help = "Available clocksources read from '/sys/devices/system/clocksource'.",
    .representation = kInfo,
    .labels = {"clocksource", "device"}};
constexpr FamilySpec kCurrent{
    .name = "node_time_clocksource_current_info",
    .help = "Current clocksource read from '/sys/devices/system/clocksource'.",
    .representation = kInfo,
    .labels = {"clocksource", "device"}};

// Linux has had one since clocksources came in 2.6.18.
constexpr std::size_t kDevicesMax = 16;

class TimeSource final : public Source {
 public:
  TimeSource(std::filesystem::path clocksources,
             std::function<std::tm*(const std::time_t*, std::tm*)> localtime)
      : Source("time"), directory_(std::move(clocksources)), localtime_(std::move(localtime)) {}

  Result<void> Collect(const Tick& tick) override {
    DOAGENT_TRY(ReadClocksources());
    builder_.Add(time_, static_cast<std::uint64_t>(UnixMilliseconds(tick.wall)));
    AddZone(tick);
    for (std::size_t i = 0; i < found_; ++i) AddDevice(devices_[i]);
    return {};
  }

 private:
  struct Device {
    Device(const std::filesystem::path& directory, std::size_t number)
        : label(std::to_string(number)),
          available(directory / ("clocksource" + label) / "available_clocksource",
                    ProcFile::Shape::kValue),
          current(directory / ("clocksource" + label) / "current_clocksource",
                  ProcFile::Shape::kValue) {}

    std::string label;
    ProcFile available;
    ProcFile current;
    std::vector<std::string_view> available_names;  // into the file's buffer
    std::vector<std::string_view> current_names;
  };

  // Reads clocksource0, clocksource1, … up to the first that is not there. None is added while the
  // kernel runs, so that the end is looked for only until it was found once.
  Result<void> ReadClocksources() {
    for (found_ = 0; found_ < devices_max_; ++found_) {
      if (found_ == devices_.size()) devices_.emplace_back(directory_, found_);
      Device& device = devices_[found_];
      DOAGENT_ASSIGN(const bool is_there, Read(device.available, device.available_names));
      if (!is_there) break;
      DOAGENT_TRY(Read(device.current, device.current_names));
      if (device.current_names.size() > 1)
        return Fail(ErrorCode::kRefuse, device.current.path(), "more than one clock source");
    }
    if (found_ > 0) devices_max_ = found_;
    return {};
  }

  static Result<bool> Read(ProcFile& file, std::vector<std::string_view>& names) {
    names.clear();
    return ReadAndParse(file,
                        [&](std::string_view text) { return ParseClocksources(text, names); });
  }

  void AddZone(const Tick& tick) {
    const std::time_t seconds = UnixMilliseconds(tick.wall) / 1000;
    std::tm local = {};
    if (localtime_(&seconds, &local) == nullptr) return;  // a year beyond what an int holds
    const std::string_view name = local.tm_zone == nullptr ? "" : local.tm_zone;
    if (name != zone_) {
      zone_ = name;
      zone_label_ = LabelText(name);
    }
    builder_.Add(zone_offset_, {zone_label_},
                 static_cast<std::uint64_t>(static_cast<std::int64_t>(local.tm_gmtoff)));
  }

  void AddDevice(const Device& device) {
    for (const auto name : device.available_names) {
      builder_.Add(available_, {name, device.label}, kInfoBits);
    }
    for (const auto name : device.current_names) {
      builder_.Add(current_, {name, device.label}, kInfoBits);
    }
  }

  const std::filesystem::path directory_;
  const std::function<std::tm*(const std::time_t*, std::tm*)> localtime_;
  std::deque<Device> devices_;  // the first found_ of them are there
  std::size_t found_ = 0;
  std::size_t devices_max_ = kDevicesMax;
  std::string zone_;
  std::string zone_label_;
  const SectionBuilder::FamilyId time_ = builder_.Declare(kTime);
  const SectionBuilder::FamilyId zone_offset_ = builder_.Declare(kZoneOffset);
  const SectionBuilder::FamilyId available_ = builder_.Declare(kAvailable);
  const SectionBuilder::FamilyId current_ = builder_.Declare(kCurrent);
};

}  // namespace

SourceResult MakeTimeSource(const SourceContext& context) {
  return std::make_unique<TimeSource>(context.options.sysfs / "devices/system/clocksource",
                                      context.options.localtime);
}

}  // namespace doagent::collector
