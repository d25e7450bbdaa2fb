// What each collector makes of its files, beyond what the golden hosts show.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "tests/collector/fake_host.h"

namespace doagent::test {
namespace {

using testing::Contains;
using testing::Key;
using testing::Not;

// The series of a metric, without its name: `{device="eth0"}`.
std::vector<std::string> LabelsOf(const Samples& samples, const std::string& name) {
  std::vector<std::string> labels;
  for (const auto& [series, value] : samples) {
    if (series.starts_with(name + "{")) labels.push_back(series.substr(name.size()));
  }
  return labels;
}

// --- cpu ------------------------------------------------------------------------------------

class CpuSourceTest : public testing::Test {
 protected:
  // Seconds of user, idle and iowait of CPU 0 after a tick with these numbers of ticks.
  std::string Tick(const std::string& user, const std::string& idle, const std::string& iowait) {
    host_.Write("proc/stat", "cpu0 " + user + " 0 0 " + idle + " " + iowait + " 0 0 0 0 0\n");
    ticker_.Tick();
    return Seconds("user") + " " + Seconds("idle") + " " + Seconds("iowait");
  }
  std::string Seconds(const std::string& mode) const {
    return ticker_.Value("node_cpu_seconds_total{cpu=\"0\",mode=\"" + mode + "\"}")
        .value_or("absent");
  }

  FakeHost host_;
  Ticker ticker_{host_.Start({"cpu"})};
};

TEST_F(CpuSourceTest, CountersThatRunBackwardsAreHeld) {
  EXPECT_EQ(Tick("100", "1000", "50"), "1 10 0.5");
  EXPECT_EQ(Tick("110", "1100", "40"), "1.1 11 0.5");
  EXPECT_EQ(Tick("105", "1090", "60"), "1.1 11 0.6");
  EXPECT_EQ(Tick("111", "1101", "59"), "1.11 11.01 0.6");
}

TEST_F(CpuSourceTest, IdleThatJumpsBackThreeSecondsIsANewCpu) {
  EXPECT_EQ(Tick("100", "1000", "50"), "1 10 0.5");
  EXPECT_EQ(Tick("90", "701", "40"), "1 10 0.5");   // 2.99 s back: held
  EXPECT_EQ(Tick("80", "700", "30"), "0.8 7 0.3");  // 3 s back: all start anew
  EXPECT_EQ(Tick("70", "710", "30"), "0.8 7.1 0.3");
}

TEST_F(CpuSourceTest, ACpuThatGoesOfflineIsAbsentAndComesBackAsANewOne) {
  host_.Write("proc/stat", "cpu0 1 0 0 1\ncpu1 500 0 0 1\ncpu2 3 0 0 1\n");
  ticker_.Tick();
  host_.Write("proc/stat", "cpu0 1 0 0 1\ncpu2 4 0 0 1\n");
  EXPECT_THAT(ticker_.Tick(),
              Not(Contains(Key("node_cpu_seconds_total{cpu=\"1\",mode=\"user\"}"))));
  EXPECT_EQ(ticker_.Value("node_cpu_seconds_total{cpu=\"2\",mode=\"user\"}"), "0.04");
  host_.Write("proc/stat", "cpu0 1 0 0 1\ncpu1 2 0 0 1\ncpu2 4 0 0 1\n");
  ticker_.Tick();
  EXPECT_EQ(ticker_.Value("node_cpu_seconds_total{cpu=\"1\",mode=\"user\"}"), "0.02");
}

TEST(CpuSource, TicksOfAnotherLength) {
  const FakeHost host;
  host.Write("proc/stat", "cpu0 1024 0 0 512\n");
  auto options = host.Options();
  options.user_hz = 1024;
  options.settings["cpu"]["guest"] = "false";
  Ticker ticker(FakeHost::StartWith(std::move(options)));
  EXPECT_EQ(ticker.Tick().at("node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}"), "0.5");
}

TEST(CpuSource, GuestTimesCanBeLeftOut) {
  for (const std::string guest : {"true", "false"}) {
    const FakeHost host;
    host.Write("proc/stat", "cpu0 1 2 3 4 5 6 7 8 9 10\n");
    auto options = host.Options();
    options.settings["cpu"]["guest"] = guest;
    Ticker ticker(FakeHost::StartWith(std::move(options)));
    EXPECT_EQ(ticker.Tick().count("node_cpu_guest_seconds_total{cpu=\"0\",mode=\"nice\"}"),
              guest == "true" ? 1 : 0);
  }
}

// --- meminfo, vmstat ------------------------------------------------------------------------

TEST(MeminfoSource, AFieldThatChangesItsUnitIsAnotherMetric) {
  const FakeHost host;
  host.Write("proc/meminfo", "Balloon: 3 kB\nOdd_total: 5\n");
  Ticker ticker(host.Start({"meminfo"}));
  ticker.Tick();
  EXPECT_EQ(ticker.Value("node_memory_Balloon_bytes"), "3072");
  EXPECT_EQ(ticker.Section("meminfo")->schema->family_of(1).type, spool::MetricType::kCounter);
  host.Write("proc/meminfo", "Balloon: 3\nOdd_total: 5\n");
  ticker.Tick();
  EXPECT_EQ(ticker.Value("node_memory_Balloon"), "3");
  EXPECT_EQ(ticker.Value("node_memory_Balloon_bytes"), std::nullopt);
}

TEST(MeminfoSource, TheLargestNumberIsNotWrapped) {
  const FakeHost host;
  host.Write("proc/meminfo", "Huge: 18446744073709551615 kB\n");
  Ticker ticker(host.Start({"meminfo"}));
  ticker.Tick();
  EXPECT_EQ(ticker.Value("node_memory_Huge_bytes"), "1.888946593147858e+22");
}

TEST(VmstatSource, FieldsAreChosenByTheOption) {
  const FakeHost host;
  host.Write("proc/vmstat", "nr_dirty 1\npgfault 2\nnr_writeback 3\n");
  auto options = host.Options();
  options.settings["vmstat"]["fields"] = "^nr_";
  Ticker ticker(FakeHost::StartWith(std::move(options)));
  const auto samples = ticker.Tick();
  EXPECT_EQ(samples.at("node_vmstat_nr_dirty"), "1");
  EXPECT_EQ(samples.at("node_vmstat_nr_writeback"), "3");
  EXPECT_EQ(samples.count("node_vmstat_pgfault"), 0);
}

// --- diskstats ------------------------------------------------------------------------------

std::string DiskLine(const std::string& numbers_and_name, int value) {
  std::string line = numbers_and_name;
  for (int i = 0; i < 17; ++i) line += " " + std::to_string(value);
  return line + "\n";
}

TEST(DiskstatsSource, DevicesComeGoAndReturn) {
  const FakeHost host;
  Ticker ticker(host.Start({"diskstats"}));
  host.Write("proc/diskstats", DiskLine("8 0 sda", 1) + DiskLine("8 16 sdb", 2));
  ticker.Tick();
  host.Write("proc/diskstats", DiskLine("8 16 sdb", 3));
  EXPECT_THAT(LabelsOf(ticker.Tick(), "node_disk_io_now"),
              testing::ElementsAre("{device=\"sdb\"}"));
  const auto schema = ticker.Section("diskstats")->schema;
  host.Write("proc/diskstats",
             DiskLine("8 0 sda", 4) + DiskLine("8 16 sdb", 5) + DiskLine("8 32 sdc", 6));
  const auto samples = ticker.Tick();
  EXPECT_EQ(samples.at("node_disk_io_now{device=\"sda\"}"), "4");
  EXPECT_EQ(samples.at("node_disk_io_now{device=\"sdb\"}"), "5");
  EXPECT_EQ(samples.at("node_disk_io_now{device=\"sdc\"}"), "6");
  EXPECT_EQ(ticker.Section("diskstats")->schema->size(), schema->size() + 18);
}

TEST(DiskstatsSource, ADeviceWithANewNumberHasNewInfo) {
  const FakeHost host;
  Ticker ticker(host.Start({"diskstats"}));
  host.Write("proc/diskstats", DiskLine("8 0 sda", 1));
  ticker.Tick();
  host.Write("proc/diskstats", DiskLine("9 1 sda", 1));
  const std::string rest = ",model=\"\",path=\"\",revision=\"\",serial=\"\",wwn=\"\"}";
  EXPECT_THAT(LabelsOf(ticker.Tick(), "node_disk_info"),
              testing::ElementsAre("{device=\"sda\",major=\"9\",minor=\"1\"" + rest));
}

TEST(DiskstatsSource, FiltersByName) {
  const FakeHost host;
  host.Write("proc/diskstats", DiskLine("8 0 sda", 1) + DiskLine("8 1 sda1", 2) +
                                   DiskLine("7 0 loop0", 3) + DiskLine("259 1 nvme0n1p2", 4));
  const auto devices = [&](std::map<std::string, std::string> settings) {
    auto options = host.Options();
    options.settings["diskstats"] = std::move(settings);
    return LabelsOf(Ticker(FakeHost::StartWith(std::move(options))).Tick(), "node_disk_io_now");
  };
  EXPECT_THAT(devices({}), testing::ElementsAre("{device=\"sda\"}"));
  EXPECT_EQ(devices({{"device-exclude", ""}}).size(), 4);
  EXPECT_THAT(devices({{"device-include", "1$"}}), testing::ElementsAre("{device=\"sda1\"}"));
}

// --- netdev ---------------------------------------------------------------------------------

std::string NetFile(const std::vector<std::string>& devices) {
  std::string text = "Inter-| Receive | Transmit\n face |bytes x|bytes x\n";
  for (const auto& device : devices) text += device + ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
  return text;
}

TEST(NetdevSource, NamesThatAreNotUtf8AreShownAsSuch) {
  const FakeHost host;
  host.Write("proc/net/dev", NetFile({"a\xff", "a\xfe"}));
  Ticker ticker(host.Start({"netdev"}));
  // Both have the same label now, so they are one series; nothing invalid gets out.
  EXPECT_THAT(LabelsOf(ticker.Tick(), "node_network_receive_bytes_total"),
              testing::ElementsAre("{device=\"a\xef\xbf\xbd\"}"));
}

TEST(NetdevSource, NohandlerFollowsItsDevice) {
  const FakeHost host;
  const std::string metric = "node_network_receive_nohandler_total";
  host.Write("proc/net/dev", NetFile({"lo", "eth0", "eth1"}));
  host.Write("sys/class/net/eth0/statistics/rx_nohandler", "7\n");
  host.Write("sys/class/net/eth1/statistics/rx_nohandler", "8\n");
  Ticker ticker(host.Start({"netdev"}));
  auto samples = ticker.Tick();
  EXPECT_EQ(samples.at(metric + "{device=\"eth0\"}"), "7");
  EXPECT_EQ(samples.count(metric + "{device=\"lo\"}"), 0);
  host.Write("proc/net/dev", NetFile({"eth1", "eth0"}));
  samples = ticker.Tick();
  EXPECT_EQ(samples.at(metric + "{device=\"eth0\"}"), "7");
  EXPECT_EQ(samples.at(metric + "{device=\"eth1\"}"), "8");
  host.Write("sys/class/net/eth0/statistics/rx_nohandler", "many\n");
  // eth1 was read before eth0 failed: nothing of half a tick is shown.
  EXPECT_THAT(LabelsOf(ticker.Tick(), "node_network_receive_bytes_total"), testing::IsEmpty());
  EXPECT_EQ(ticker.Success("netdev"), "0");
}

TEST(NetdevSource, HundredsOfDevices) {
  const FakeHost host;
  std::vector<std::string> devices;
  for (int i = 0; i < 300; ++i) {
    devices.push_back("veth" + std::to_string(i));
    host.Write("sys/class/net/" + devices.back() + "/statistics/rx_nohandler",
               std::to_string(i) + "\n");
  }
  host.Write("proc/net/dev", NetFile(devices));
  Ticker ticker(host.Start({"netdev"}));
  for (int i = 0; i < 2; ++i) {
    const auto samples = ticker.Tick();
    EXPECT_EQ(samples.at("node_network_receive_nohandler_total{device=\"veth299\"}"), "299");
    EXPECT_EQ(samples.at("node_network_transmit_compressed_total{device=\"veth299\"}"), "16");
  }
}

TEST(NetdevSource, FiltersByName) {
  const FakeHost host;
  host.Write("proc/net/dev", NetFile({"lo", "eth0", "veth1"}));
  const auto devices = [&](std::map<std::string, std::string> settings) {
    auto options = host.Options();
    options.settings["netdev"] = std::move(settings);
    return LabelsOf(Ticker(FakeHost::StartWith(std::move(options))).Tick(),
                    "node_network_receive_bytes_total");
  };
  EXPECT_EQ(devices({}).size(), 3);  // lo, too
  EXPECT_THAT(devices({{"device-exclude", "^(lo|veth.*)$"}}),
              testing::ElementsAre("{device=\"eth0\"}"));
  EXPECT_THAT(devices({{"device-include", "eth"}}),
              testing::ElementsAre("{device=\"eth0\"}", "{device=\"veth1\"}"));
}

// --- time, uname ----------------------------------------------------------------------------

TEST(TimeSource, ClockSourcesChange) {
  const FakeHost host;
  const std::string folder = "sys/devices/system/clocksource/clocksource0/";
  host.Write(folder + "available_clocksource", "tsc hpet \n");
  host.Write(folder + "current_clocksource", "tsc\n");
  Ticker ticker(host.Start({"time"}));
  ticker.Tick();
  host.Write(folder + "available_clocksource", "hpet \n");
  host.Write(folder + "current_clocksource", "hpet\n");
  const auto samples = ticker.Tick();
  EXPECT_THAT(LabelsOf(samples, "node_time_clocksource_available_info"),
              testing::ElementsAre("{clocksource=\"hpet\",device=\"0\"}"));
  EXPECT_THAT(LabelsOf(samples, "node_time_clocksource_current_info"),
              testing::ElementsAre("{clocksource=\"hpet\",device=\"0\"}"));
  EXPECT_EQ(samples.at("node_time_seconds"), "1700000001.123");
  host.Write(folder + "current_clocksource", "hpet tsc\n");
  ticker.Tick();
  EXPECT_EQ(ticker.Success("time"), "0");
}

TEST(TimeSource, WestOfGreenwich) {
  const FakeHost host;
  auto options = host.Options();
  options.enabled = {"time"};
  options.localtime = [](const std::time_t* time, std::tm* out) {
    ::gmtime_r(time, out);
    out->tm_gmtoff = -12'600;
    out->tm_zone = "NST";
    return out;
  };
  Ticker ticker(FakeHost::StartWith(std::move(options)));
  EXPECT_EQ(ticker.Tick().at("node_time_zone_offset_seconds{time_zone=\"NST\"}"), "-12600");
}

TEST(UnameSource, ARenamedHostIsAnotherSeries) {
  const FakeHost host;
  auto options = host.Options();
  options.enabled = {"uname"};
  const auto name = std::make_shared<std::string>("one");
  const auto error = std::make_shared<int>(0);
  options.uname = [name, error](struct utsname* names) {
    errno = *error;
    FakeUname(names);
    std::strcpy(names->nodename, name->c_str());
    return *error == 0 ? 0 : -1;
  };
  Ticker ticker(FakeHost::StartWith(std::move(options)));
  const auto nodename = [&] {
    const auto labels = LabelsOf(ticker.Tick(), "node_uname_info");
    if (labels.size() != 1) return std::to_string(labels.size()) + " series";
    const auto begin = labels[0].find("nodename=\"") + 10;
    return labels[0].substr(begin, labels[0].find('"', begin) - begin);
  };
  EXPECT_EQ(nodename(), "one");
  *name = "two";
  EXPECT_EQ(nodename(), "two");
  *error = EFAULT;
  EXPECT_EQ(nodename(), "0 series");
  EXPECT_EQ(ticker.Success("uname"), "0");
}

}  // namespace
}  // namespace doagent::test
