// /proc/meminfo, vmstat, diskstats and net/dev: files with a line for each field or device.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "collector/diskstats.h"
#include "collector/meminfo.h"
#include "collector/net_dev.h"
#include "collector/vmstat.h"

namespace doagent::collector {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

template <typename Entry>
using Parser = Result<void> (*)(std::string_view, std::vector<Entry>&);

template <typename Entry>
std::vector<Entry> Parsed(Parser<Entry> parser, std::string_view text) {
  std::vector<Entry> entries;
  const auto parsed = parser(text, entries);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().Message());
  return entries;
}

template <typename Entry>
std::string ErrorOf(Parser<Entry> parser, std::string_view text) {
  std::vector<Entry> entries;
  const auto parsed = parser(text, entries);
  return parsed ? "parsed" : parsed.error().what;
}

TEST(Meminfo, FieldsWithAndWithoutUnit) {
  const auto fields = Parsed<MeminfoField>(
      ParseMeminfo,
      "MemTotal:       24684092 kB\nActive(anon):       1548 kB\n\nHugePages_Total:       7\n");
  ASSERT_EQ(fields.size(), 3);
  EXPECT_EQ(fields[0].name, "MemTotal");
  EXPECT_EQ(fields[0].value, 24684092);
  EXPECT_TRUE(fields[0].kibibytes);
  EXPECT_EQ(fields[1].name, "Active(anon)");
  EXPECT_EQ(fields[2].value, 7);
  EXPECT_FALSE(fields[2].kibibytes);
}

TEST(Meminfo, Nonsense) {
  const auto error = [](std::string_view text) {
    return ErrorOf<MeminfoField>(ParseMeminfo, text);
  };
  EXPECT_THAT(error(""), HasSubstr("no field of /proc/meminfo"));
  EXPECT_THAT(error("MemTotal 1 kB\n"), HasSubstr("not the name"));
  EXPECT_THAT(error("Mem-Total: 1 kB\n"), HasSubstr("not the name"));
  EXPECT_THAT(error(": 1 kB\n"), HasSubstr("not the name"));
  EXPECT_THAT(error("Active(anon: 1 kB\n"), HasSubstr("not the name"));
  EXPECT_THAT(error("Active(): 1 kB\n"), HasSubstr("not the name"));
  EXPECT_THAT(error("MemTotal: kB\n"), HasSubstr("not a number"));
  EXPECT_THAT(error("MemTotal: -1 kB\n"), HasSubstr("not a number"));
  EXPECT_THAT(error("MemTotal: 18446744073709551616 kB\n"), HasSubstr("not a number"));
  EXPECT_THAT(error("MemTotal: 1 MB\n"), HasSubstr("unknown unit"));
  EXPECT_THAT(error("MemTotal: 1 kB more\n"), HasSubstr("unknown unit"));
  EXPECT_THAT(error("        total:    used:    free:\n"), HasSubstr("not a number"));  // Linux 2.4
  std::string many;
  for (int i = 0; i < 1025; ++i) many += "Field" + std::to_string(i) + ": 1 kB\n";
  EXPECT_THAT(error(many), HasSubstr("more than 1024 fields"));
}

TEST(Vmstat, Fields) {
  const auto fields = Parsed<VmstatField>(
      ParseVmstat, "nr_free_pages 850719\npgfault 18446744073709551615\noom_kill 0");
  ASSERT_EQ(fields.size(), 3);
  EXPECT_EQ(fields[1].name, "pgfault");
  EXPECT_EQ(fields[1].value, 18446744073709551615U);
  EXPECT_EQ(fields[2].value, 0);
}

TEST(Vmstat, Nonsense) {
  const auto error = [](std::string_view text) { return ErrorOf<VmstatField>(ParseVmstat, text); };
  EXPECT_THAT(error(""), HasSubstr("no field of /proc/vmstat"));
  EXPECT_THAT(error("pgfault\n"), HasSubstr("not a number"));
  EXPECT_THAT(error("pgfault 1.5\n"), HasSubstr("not a number"));
  EXPECT_THAT(error("pg-fault 1\n"), HasSubstr("not the name"));
  EXPECT_THAT(error("pgfault 1\n\n"), HasSubstr("not the name"));
  EXPECT_THAT(error(std::string(200, 'a') + " 1\n"), HasSubstr("not the name"));
  EXPECT_THAT(error("a 18446744073709551616\n"), HasSubstr("not a number"));
}

TEST(Diskstats, ColumnsOfThreeKernels) {
  const auto disks = Parsed<DiskStats>(
      ParseDiskstats,
      "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n"
      " 259       0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n"
      " 254      17 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 18446744073709551615\n");
  ASSERT_EQ(disks.size(), 3);
  EXPECT_EQ(disks[0].columns, 11);
  EXPECT_EQ(disks[0].values[DiskStats::kWeightedIoMs], 11);
  EXPECT_EQ(disks[1].columns, 15);
  EXPECT_EQ(disks[1].device, "nvme0n1");
  EXPECT_EQ(disks[1].values[DiskStats::kDiscardMs], 15);
  EXPECT_EQ(disks[2].columns, 17);
  EXPECT_EQ(disks[2].major, 254);
  EXPECT_EQ(disks[2].minor, 17);
  EXPECT_EQ(disks[2].values[DiskStats::kFlushMs], 18446744073709551615U);
}

TEST(Diskstats, EmptyIsAMachineWithoutDisks) {
  EXPECT_THAT(Parsed<DiskStats>(ParseDiskstats, ""), IsEmpty());
}

TEST(Diskstats, PartitionsOfOldKernelsAreLeftOut) {
  EXPECT_THAT(Parsed<DiskStats>(ParseDiskstats, "8 1 sda1 99 100 8 9\n"), IsEmpty());
}

TEST(Diskstats, ColumnsOfLaterKernelsAreIgnored) {
  const auto disks = Parsed<DiskStats>(
      ParseDiskstats, "1 2 a 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 nineteen\n");
  EXPECT_EQ(disks[0].columns, 17);
}

TEST(Diskstats, Nonsense) {
  const auto error = [](std::string_view text) { return ErrorOf<DiskStats>(ParseDiskstats, text); };
  EXPECT_THAT(error("sda 1 2 3\n"), HasSubstr("not a device number"));
  EXPECT_THAT(error("8 0\n"), HasSubstr("not a device name"));
  EXPECT_THAT(error("\n"), HasSubstr("not a device number"));
  EXPECT_THAT(error("8 0 sda 1 2 3 4 5 6 7 8 9 10\n"), HasSubstr("not 14, 18 or 20 columns"));
  EXPECT_THAT(error("8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13\n"), HasSubstr("not 14, 18 or 20"));
  EXPECT_THAT(error("8 0 sda 1 2 3 x 5 6 7 8 9 10 11\n"), HasSubstr("not a number"));
  EXPECT_THAT(error("4294967296 0 sda 1 2 3 4 5 6 7 8 9 10 11\n"), HasSubstr("device number"));
  EXPECT_THAT(error("8 0 " + std::string(300, 'a') + " 1 2 3 4\n"), HasSubstr("device name"));
}

const std::string kNetHeader = "Inter-| Receive | Transmit\n face |bytes x|bytes x\n";

TEST(NetDev, CurrentAndOldForm) {
  const std::string text = kNetHeader +
                           "  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                           "eth0:1:18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 0 0 9\n";
  const auto devices = Parsed<NetDev>(ParseNetDev, text);
  ASSERT_EQ(devices.size(), 2);
  EXPECT_EQ(devices[0].device, "eth0");
  EXPECT_THAT(devices[0].values,
              ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16));
  EXPECT_EQ(devices[1].device, "eth0:1");
  EXPECT_EQ(devices[1].values[NetDev::kReceiveBytes], 18446744073709551615U);
}

TEST(NetDev, NoDeviceAtAll) {
  EXPECT_THAT(Parsed<NetDev>(ParseNetDev, kNetHeader), IsEmpty());
}

TEST(NetDev, Nonsense) {
  const auto error = [](std::string_view text) { return ErrorOf<NetDev>(ParseNetDev, text); };
  const std::string counters = ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
  EXPECT_THAT(error(""), HasSubstr("not the header"));
  EXPECT_THAT(error("eth0: 1\neth1: 2\n"), HasSubstr("not the header"));
  EXPECT_THAT(error(kNetHeader + "eth0 1 2 3\n"), HasSubstr("not a network device"));
  EXPECT_THAT(error(kNetHeader + "eth0: 1 2 3\n"), HasSubstr("not 16 counters"));
  EXPECT_THAT(
      error(kNetHeader + "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 18446744073709551616\n"),
      HasSubstr("not 16 counters"));
  // A name becomes part of a path in sysfs.
  for (const std::string name : {"..", ".", "a/b", "", "a b"}) {
    std::string text = kNetHeader;
    text.append(name).append(counters);
    EXPECT_THAT(error(text), HasSubstr("not the name")) << name;
  }
  EXPECT_THAT(error(kNetHeader + std::string(64, 'a') + counters), HasSubstr("not the name"));
}

RC_GTEST_PROP(TableParsersProperty, RenderedEntriesParseBack,
              (const std::vector<std::uint64_t>& seeds)) {
  std::string disks;
  std::string devices = kNetHeader;
  for (const auto seed : seeds) {
    disks += "8 " + std::to_string(seed % 256) + " d" + std::to_string(seed);
    devices += "d" + std::to_string(seed % 1000) + ":";
    for (std::uint64_t i = 0; i < 17; ++i) disks += " " + std::to_string(seed * i);
    for (std::uint64_t i = 0; i < 16; ++i) devices += " " + std::to_string(seed * i);
    disks += "\n";
    devices += "\n";
  }
  std::vector<DiskStats> parsed_disks;
  std::vector<NetDev> parsed_devices;
  RC_ASSERT(ParseDiskstats(disks, parsed_disks).has_value());
  RC_ASSERT(ParseNetDev(devices, parsed_devices).has_value());
  RC_ASSERT(parsed_disks.size() == seeds.size());
  RC_ASSERT(parsed_devices.size() == seeds.size());
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    RC_ASSERT(parsed_disks[i].device == "d" + std::to_string(seeds[i]));
    RC_ASSERT(parsed_disks[i].minor == seeds[i] % 256);
    for (std::uint64_t j = 0; j < 17; ++j) RC_ASSERT(parsed_disks[i].values[j] == seeds[i] * j);
    for (std::uint64_t j = 0; j < 16; ++j) RC_ASSERT(parsed_devices[i].values[j] == seeds[i] * j);
  }
}

}  // namespace
}  // namespace doagent::collector
