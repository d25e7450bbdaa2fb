// The scheduler: what fails, what is not there, what is refused, and what is said about it.
#include "collector/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/collector/fake_host.h"

namespace doagent::test {
namespace {

using collector::Collector;
using collector::Problem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;

constexpr const char* kStat = "cpu0 1 2 3 4 5 6 7 8 9 10\nbtime 1700000000\n";

TEST(Collector, ListsEveryCollectorWithItsOptions) {
  std::vector<std::string> names;
  std::vector<std::string> options;
  for (const auto& info : collector::AvailableCollectors()) {
    names.push_back(info.name);
    EXPECT_FALSE(info.description.empty()) << info.name;
    EXPECT_TRUE(info.enabled_by_default) << info.name;
    for (const auto& option : info.options) {
      options.push_back(info.name + "." + option.name + "=" + option.default_value);
      EXPECT_FALSE(option.description.empty()) << options.back();
    }
  }
  EXPECT_THAT(names, ElementsAre("cpu", "diskstats", "filefd", "filesystem", "loadavg", "meminfo",
                                 "netdev", "stat", "time", "uname", "vmstat"));
  EXPECT_THAT(
      options,
      ElementsAre("cpu.guest=true", "diskstats.device-include=",
                  "diskstats.device-exclude=^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$",
                  HasSubstr("filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|"),
                  HasSubstr("filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|"),
                  "netdev.device-include=", "netdev.device-exclude=",
                  "vmstat.fields=^(oom_kill|pgpg|pswp|pg.*fault).*"));
}

TEST(Collector, SnapshotHasTheTimesItWasGiven) {
  const FakeHost host;
  const auto collector = host.Start({"uname"});
  spool::Snapshot snapshot;
  const auto boot_id = *BootId::FromHex("0123456789abcdef0123456789abcdef");
  collector->Collect(FakeWall(3), FakeMono(4), boot_id, snapshot);
  EXPECT_EQ(snapshot.wall, FakeWall(3));
  EXPECT_EQ(snapshot.mono, FakeMono(4));
  EXPECT_EQ(snapshot.boot_id, boot_id);
  ASSERT_EQ(snapshot.sections.size(), 2);
  EXPECT_EQ(snapshot.sections[0].schema->collector(), "uname");
  EXPECT_EQ(snapshot.sections[1].schema->collector(), "scrape");
}

TEST(Collector, WhatIsNotThereIsNoFailure) {
  const FakeHost host;
  Ticker ticker(FakeHost::StartWith(host.Options()));
  for (const auto& [series, value] : ticker.Tick()) {
    if (series.starts_with("node_scrape_collector_success")) {
      EXPECT_EQ(value, "1") << series;
    } else if (!series.starts_with("node_scrape_")) {
      EXPECT_THAT(series, testing::AnyOf(HasSubstr("node_time_"), HasSubstr("node_uname_info")));
    }
  }
  EXPECT_THAT(ticker.collector().TakeStateChanges(), IsEmpty());
}

TEST(Collector, OneThatFailsIsAbsentAndTheOthersGoOn) {
  const FakeHost host;
  host.Write("proc/stat", kStat);
  host.Write("proc/loadavg", "0.01 0.02 0.03 1/2 3\n");
  Ticker ticker(host.Start({"cpu", "stat", "loadavg"}));
  EXPECT_THAT(ticker.Tick(), testing::Contains(testing::Key("node_load1")));
  const auto schemas = ticker.snapshot().sections.size();

  host.Write("proc/loadavg", "nonsense\n");
  const auto samples = ticker.Tick();
  EXPECT_EQ(samples.count("node_load1"), 0);
  EXPECT_EQ(samples.count("node_boot_time_seconds"), 1);
  EXPECT_THAT(ticker.Success("loadavg"), Optional(std::string("0")));
  EXPECT_THAT(ticker.Success("cpu"), Optional(std::string("1")));
  EXPECT_EQ(ticker.snapshot().sections.size(), schemas);  // its schema stays

  host.Write("proc/loadavg", "0.05 0.02 0.03 1/2 3\n");
  ticker.Tick();
  EXPECT_THAT(ticker.Value("node_load1"), Optional(std::string("0.05")));
  EXPECT_THAT(ticker.Success("loadavg"), Optional(std::string("1")));
}

TEST(Collector, AProblemIsReportedWhenItBeginsAndWhenItEnds) {
  const FakeHost host;
  host.Write("proc/loadavg", "nonsense\n");
  Ticker ticker(host.Start({"loadavg"}));
  for (int i = 0; i < 5; ++i) ticker.Tick();
  const std::string file = host.root() / "proc/loadavg";
  const std::string message = "not three load averages with two decimals: \"nonsense\"";
  EXPECT_THAT(ticker.collector().TakeStateChanges(),
              ElementsAre(Problem{"loadavg", file, message, /*ended=*/false}));
  EXPECT_THAT(ticker.collector().TakeStateChanges(), IsEmpty());

  host.Write("proc/loadavg", "0.01 0.02 0.03 1/2 3\n");
  ticker.Tick();
  ticker.Tick();
  EXPECT_THAT(ticker.collector().TakeStateChanges(), IsEmpty());  // it might come and go
  ticker.Tick();
  EXPECT_THAT(ticker.collector().TakeStateChanges(),
              ElementsAre(Problem{"loadavg", file, message, /*ended=*/true}));
}

TEST(Collector, BothReadersOfOneFileFail) {
  const FakeHost host;
  host.Write("proc/stat", "cpu0 x\n");
  Ticker ticker(host.Start({"cpu", "stat"}));
  ticker.Tick();
  EXPECT_THAT(ticker.Success("cpu"), Optional(std::string("0")));
  EXPECT_THAT(ticker.Success("stat"), Optional(std::string("0")));
}

TEST(Collector, AnythingInThePlaceOfAFile) {
  for (const std::string file : {"stat", "meminfo", "loadavg", "vmstat", "diskstats", "net/dev",
                                 "1/mountinfo", "sys/fs/file-nr"}) {
    const FakeHost host;
    const auto path = host.root() / "proc" / file;
    Ticker ticker(FakeHost::StartWith(host.Options()));
    const auto problems = [&] {
      ticker.Tick();
      std::vector<std::string> files;
      for (const auto& problem : ticker.collector().TakeStateChanges()) {
        if (!problem.ended) files.push_back(problem.file);
      }
      return files;
    };
    std::filesystem::create_directories(path);
    // Both collectors of /proc/stat report it, under their own names.
    EXPECT_EQ(problems(), std::vector<std::string>(file == "stat" ? 2 : 1, path)) << "a folder";
    std::filesystem::remove(path);
    EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
    ticker.Tick();
    EXPECT_THAT(ticker.collector().TakeStateChanges(), IsEmpty()) << "a pipe: still the same";
    std::filesystem::remove(path);
    host.Write("proc/" + file, "");
    std::filesystem::resize_file(path, 100'000'000);
    ticker.Tick();
    EXPECT_THAT(ticker.collector().TakeStateChanges(), IsEmpty()) << "100 MB: still the same";
  }
}

TEST(Collector, DurationsAreInTensOfMicroseconds) {
  const FakeHost host;
  auto options = host.Options();
  options.enabled = {"uname"};
  // start, after Start, after Collect: 4 µs and 13,456 ns.
  options.monotonic_now = [calls = 0]() mutable {
    constexpr int kTimes[] = {0, 4'000, 17'456};
    return FromBootNanoseconds(kTimes[calls++ % 3]);
  };
  Ticker ticker(FakeHost::StartWith(std::move(options)));
  ticker.Tick();
  EXPECT_THAT(ticker.Value("node_scrape_collector_duration_seconds{collector=\"uname\"}"),
              Optional(std::string("2e-05")));
}

std::string Refusal(collector::CollectorOptions options) {
  const auto made = Collector::Create(std::move(options));
  if (made) return "accepted";
  EXPECT_EQ(made.error().code, ErrorCode::kRefuse);
  return made.error().Message();
}

std::string RefusalOf(const std::string& name, std::map<std::string, std::string> settings) {
  const FakeHost host;
  auto options = host.Options();
  options.settings[name] = std::move(settings);
  return Refusal(std::move(options));
}

TEST(CollectorOptions, RefusesWhatDoesNotExist) {
  const FakeHost host;
  auto options = host.Options();
  options.enabled = {"cpu", "cpus"};
  EXPECT_THAT(Refusal(options), HasSubstr("collector.cpus: no such collector; there are: cpu, "));
  EXPECT_THAT(RefusalOf("hwmon", {{"chip", "x"}}), HasSubstr("collector.hwmon: no such collector"));
  EXPECT_THAT(RefusalOf("uname", {{"x", "y"}}),
              HasSubstr("collector.uname.x: the collector has no options"));
  EXPECT_THAT(RefusalOf("vmstat", {{"field", "y"}}),
              HasSubstr("collector.vmstat.field: no such option; the collector has: fields"));
}

TEST(CollectorOptions, RefusesValuesThatMakeNoSense) {
  EXPECT_THAT(RefusalOf("vmstat", {{"fields", "("}}),
              HasSubstr("collector.vmstat.fields: \"(\" is not a regular expression"));
  EXPECT_THAT(RefusalOf("netdev", {{"device-exclude", "["}}),
              HasSubstr("collector.netdev.device-exclude: \"[\" is not"));
  EXPECT_THAT(RefusalOf("netdev", {{"device-include", "["}}),
              HasSubstr("collector.netdev.device-include: \"[\" is not"));
  EXPECT_THAT(RefusalOf("filesystem", {{"fs-types-exclude", "*"}}),
              HasSubstr("collector.filesystem.fs-types-exclude"));
  EXPECT_THAT(RefusalOf("cpu", {{"guest", "maybe"}}),
              HasSubstr("collector.cpu.guest: \"maybe\" is neither \"true\" nor \"false\""));
  EXPECT_THAT(RefusalOf("netdev", {{"device-include", "a"}, {"device-exclude", "b"}}),
              HasSubstr("collector.netdev.device-include: \"a\" cannot be set together with "
                        "collector.netdev.device-exclude \"b\""));
}

TEST(CollectorOptions, RefusesAProcfsThatIsNone) {
  const FakeHost host;
  auto options = host.Options();
  options.procfs = host.root() / "nowhere";
  EXPECT_THAT(Refusal(options), HasSubstr("procfs: \"" + options.procfs.string() +
                                          "\" is not a directory: No such file or directory"));
}

TEST(CollectorOptions, AnIncludeReplacesTheDefaultExclude) {
  EXPECT_EQ(RefusalOf("diskstats", {{"device-include", "loop"}}), "accepted");
  EXPECT_EQ(RefusalOf("diskstats", {{"device-include", "loop"}, {"device-exclude", ""}}),
            "accepted");
}

}  // namespace
}  // namespace doagent::test
