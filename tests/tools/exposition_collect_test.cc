// do-agent collect: the command on a small procfs, and the program on this host.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/memory_file.h"
#include "tests/tools/run_command.h"
#include "tools/do-agent/collect_command.h"

namespace doagent::agent {
namespace {

using cli::ExitStatus;
using test::TempDir;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct CollectRun {
  ExitStatus status = ExitStatus::kWorld;
  std::string out;
  std::string err;
};

class CollectTest : public ::testing::Test {
 protected:
  CollectTest() {
    std::filesystem::create_directory(procfs_);
    WriteLoadavg("0.52 0.58 0.59 1/467 12345\n");
    options_.procfs = procfs_;
    options_.enabled = {"loadavg"};
    options_.monotonic_now = [] { return MonoTime(); };
  }

  void WriteLoadavg(const std::string& text) { std::ofstream(procfs_ / "loadavg") << text; }

  CollectRun Run() {
    const test::MemoryFile out;
    const test::MemoryFile err;
    CollectEnvironment environment;
    environment.out = out.descriptor();
    environment.err = ::fdopen(::dup(err.descriptor()), "w");
    environment.wall_now = [] { return WallTime(std::chrono::seconds(1'700'000'000)); };
    environment.monotonic_now = [] { return MonoTime(std::chrono::seconds(100)); };
    environment.stop_asked_until = stop_asked_until_;
    CollectRun run;
    run.status = Collect(settings_, options_, environment);
    std::fclose(environment.err);
    run.out = out.Read();
    run.err = err.Read();
    return run;
  }

  TempDir folder_;
  const std::filesystem::path procfs_ = folder_ / "proc";
  CollectSettings settings_;
  collector::CollectorOptions options_;
  std::function<bool(MonoTime)> stop_asked_until_;
};

TEST_F(CollectTest, PrintsOneSnapshot) {
  const auto run = Run();
  EXPECT_EQ(run.status, ExitStatus::kDone);
  EXPECT_EQ(run.err, "");
  EXPECT_THAT(run.out, HasSubstr("# TYPE node_load1 gauge\nnode_load1 0.52\n"));
  EXPECT_THAT(run.out, HasSubstr("node_scrape_collector_success{collector=\"loadavg\"} 1\n"));
}

TEST_F(CollectTest, PrintsJson) {
  settings_.format = CollectFormat::kJson;
  const auto run = Run();
  EXPECT_EQ(run.status, ExitStatus::kDone);
  const auto object = nlohmann::json::parse(run.out);
  EXPECT_EQ(object.at("time_unix_ns"), 1'700'000'000'000'000'000);
  EXPECT_EQ(object.at("samples").at(0).dump(), R"({"labels":{},"name":"node_load1","value":0.52})");
}

TEST_F(CollectTest, PrintsSeveralSnapshotsAtTheirTimes) {
  settings_.count = 3;
  settings_.interval = std::chrono::seconds(2);
  std::vector<MonoTime> waited;
  stop_asked_until_ = [&](MonoTime until) {
    waited.push_back(until);
    WriteLoadavg(std::to_string(waited.size()) + ".00 0.58 0.59 1/467 12345\n");
    return false;
  };
  const auto run = Run();
  EXPECT_EQ(run.status, ExitStatus::kDone);
  EXPECT_THAT(waited, ::testing::ElementsAre(MonoTime(std::chrono::seconds(102)),
                                             MonoTime(std::chrono::seconds(104))));
  EXPECT_THAT(run.out, HasSubstr("\nnode_load1 0.52\n"));
  EXPECT_THAT(run.out, HasSubstr("\nnode_load1 1\n"));
  EXPECT_THAT(run.out, HasSubstr("\nnode_load1 2\n"));
  EXPECT_THAT(run.out, HasSubstr("\n\n# HELP")) << "an empty line between two snapshots";
}

TEST_F(CollectTest, StopsWhenAsked) {
  settings_.count = 1'000'000;
  settings_.format = CollectFormat::kJson;
  int asked = 0;
  stop_asked_until_ = [&asked](MonoTime) { return ++asked == 3; };
  const auto run = Run();
  EXPECT_EQ(run.status, ExitStatus::kDone);
  EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), 3);
}

TEST_F(CollectTest, ACollectorThatFailsIsNamedAndTheOthersGoOn) {
  std::ofstream(procfs_ / "meminfo") << "MemTotal: many kB\n";
  options_.enabled = {"loadavg", "meminfo"};
  const auto run = Run();
  EXPECT_EQ(run.status, ExitStatus::kNo);
  EXPECT_THAT(run.out, HasSubstr("node_load1 0.52\n"));
  EXPECT_THAT(run.err, StartsWith("do-agent: collector meminfo: "));
  EXPECT_THAT(run.err, HasSubstr((procfs_ / "meminfo").string()));
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1);
}

TEST_F(CollectTest, NothingAtAllIsAFailure) {
  std::filesystem::remove(procfs_ / "loadavg");
  const auto run = Run();
  EXPECT_EQ(run.status, ExitStatus::kWorld);
  EXPECT_THAT(run.err, HasSubstr(procfs_.string() + ": has none of the files"));
}

TEST_F(CollectTest, WhereEverythingFailsTheCauseIsToldOnce) {
  std::ofstream(procfs_ / "loadavg") << "garbage\n";
  const auto run = Run();
  EXPECT_EQ(run.status, ExitStatus::kWorld);
  EXPECT_THAT(run.err, StartsWith("do-agent: collector loadavg: "));
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
}

TEST_F(CollectTest, OptionsThatMakeNoSenseAreUsage) {
  options_.enabled = {"laodavg"};
  const auto run = Run();
  EXPECT_EQ(run.status, ExitStatus::kUsage);
  EXPECT_THAT(run.err, HasSubstr("laodavg"));
  EXPECT_EQ(run.out, "");
}

// --- The program itself --------------------------------------------------------------------------

class CollectProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(program_)) GTEST_SKIP() << program_ << " is not built";
  }

  const std::string program_ = (test::ProgramDir() / "do-agent").string();
};

// promtool also has opinions on names. node_exporter's, which these are, it finds in two ways at
// fault: kernel names in CamelCase, and entropy counted in bits. Anything else would be ours.
TEST_F(CollectProgramTest, PromtoolFindsNoMoreFaultThanWithNodeExporter) {
  if (!test::HavePromtool()) GTEST_SKIP() << test::kNoPromtool;
  const auto collected = test::RunCommand(program_ + " collect 2>/dev/null");
  ASSERT_EQ(collected.status, 0) << collected.output;
  ASSERT_THAT(collected.output, HasSubstr("# TYPE node_load1 gauge\nnode_load1 "));
  const auto checked = test::RunWithInput("promtool check metrics", collected.output);
  std::istringstream lines(checked.output);
  for (std::string line; std::getline(lines, line);) {
    const bool known =
        line.find("metric names should be written in 'snake_case' not 'camelCase'") !=
            std::string::npos ||
        (line.rfind("node_entropy_", 0) == 0 && line.find("\"bits\"") != std::string::npos);
    EXPECT_TRUE(known) << line;
  }
}

TEST_F(CollectProgramTest, EveryLineOfJsonIsASnapshot) {
  const auto collected =
      test::RunCommand(program_ + " collect --format json --count 2 --interval 100ms 2>/dev/null");
  ASSERT_EQ(collected.status, 0) << collected.output;
  std::istringstream lines(collected.output);
  int snapshots = 0;
  for (std::string line; std::getline(lines, line); ++snapshots) {
    const auto object = nlohmann::json::parse(line);
    std::set<std::string> names;
    for (const auto& sample : object.at("samples")) names.insert(sample.at("name"));
    EXPECT_EQ(names.count("node_load1"), 1U);
    EXPECT_EQ(names.count("node_memory_MemTotal_bytes"), 1U);
  }
  EXPECT_EQ(snapshots, 2);
}

}  // namespace
}  // namespace doagent::agent
