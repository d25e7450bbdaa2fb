// do-agent as scripts, people and service managers meet it: exit statuses, messages, signals.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tools/cli/version.h"

namespace doagent::e2e {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;
using Arguments = std::vector<std::string>;

test::Finished RunAgent(const Arguments& arguments,
                        const std::map<std::string, std::string>& environment = {}) {
  return test::RunToEnd("do-agent", arguments, environment);
}

test::Process::Options Logged(Arguments arguments, const std::filesystem::path& log,
                              std::map<std::string, std::string> environment = {}) {
  return {std::move(arguments), std::move(environment), {}, log};
}

// The agent has logged that it started.
bool Started(const std::filesystem::path& log) {
  return test::Eventually(
      [&] { return test::ReadFile(log).find(": spool ") != std::string::npos; });
}

class AgentProgramTest : public testing::Test {
 protected:
  std::string Path(const char* name) const { return (folder_ / name).string(); }
  std::string Write(const char* name, const std::string& content) const {
    test::WriteFile(folder_ / name, content);
    return Path(name);
  }
  // Runs with its own spool, for so long.
  Arguments RunFor(const std::string& duration, const Arguments& more = {}) const {
    Arguments arguments = {"run",    "--config=",  "--spool", Path("spool.db"), "--run-for",
                           duration, "--interval", "50ms",    "--collectors",   "loadavg,time"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  nlohmann::json Status() const {
    const auto status = test::RunToEnd("do-agent-spool",
                                       {"status", "--spool", Path("spool.db"), "--format", "json"});
    EXPECT_EQ(status.status, 0) << status.errors;
    return nlohmann::json::parse(status.output);
  }
  std::vector<nlohmann::json> Records() const {
    const auto dump =
        test::RunToEnd("do-agent-spool", {"dump", "--spool", Path("spool.db"), "--format", "json"});
    EXPECT_EQ(dump.status, 0) << dump.errors;
    std::vector<nlohmann::json> records;
    std::istringstream lines(dump.output);
    for (std::string line; std::getline(lines, line);) {
      records.push_back(nlohmann::json::parse(line));
    }
    return records;
  }

  const test::TempDir folder_;
};

TEST_F(AgentProgramTest, HelpAndVersionAreThereForEveryCommand) {
  for (const Arguments& command :
       {Arguments{}, Arguments{"run"}, Arguments{"collect"}, Arguments{"check"}}) {
    Arguments help = command;
    help.push_back("--help");
    const auto helped = RunAgent(help);
    EXPECT_EQ(helped.status, 0);
    EXPECT_THAT(helped.output, AllOf(HasSubstr("Usage: do-agent"), HasSubstr("Examples:")));
    EXPECT_EQ(helped.errors, "");

    Arguments version = command;
    version.push_back("--version");
    const auto asked = RunAgent(version);
    EXPECT_EQ(asked.status, 0);
    EXPECT_THAT(asked.output, MatchesRegex("do-agent [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  }
}

struct WrongUse {
  Arguments arguments;
  std::map<std::string, std::string> environment;
  const char* says;
};

TEST_F(AgentProgramTest, WrongUseIsExitStatus2AndOneLine) {
  const std::string config = Write("bad.toml", "\ninterval = \"soon\"\n");
  const WrongUse cases[] = {
      {{}, {}, "give a command"},
      {{"rnu"}, {}, "did you mean \"run\"?"},
      {{"run", "--intervall", "1s"}, {}, "did you mean \"--interval\"?"},
      {{"run", "--config", config}, {}, "bad.toml:2: interval: \"soon\" is not a duration"},
      {{"check", "--config", config}, {}, "bad.toml:2: interval: \"soon\" is not a duration"},
      {{"collect", "--config", config}, {}, "bad.toml:2: interval: \"soon\" is not a duration"},
      {{"run", "--config=/nowhere.toml"}, {}, "/nowhere.toml: "},
      {{"run"}, {{"DO_AGENT_ENDPIONT", "grpcs://a:1"}}, "did you mean \"DO_AGENT_ENDPOINT\"?"},
      {{"run", "--spool", Path("s.db"), "--token-file", "/nowhere/token"}, {}, "/nowhere/token"},
      {{"run", "--spool", Path("s.db"), "--collector.vmstat.fields=("},
       {},
       "--collector.vmstat.fields: "},
      {{"check", "--format", "xml"}, {}, "--format: "},
      {{"collect", "--count", "0"}, {}, "--count: "},
  };
  for (const WrongUse& one : cases) {
    const auto run = RunAgent(one.arguments, one.environment);
    EXPECT_EQ(run.status, 2) << one.says;
    EXPECT_THAT(run.errors, AllOf(StartsWith("do-agent: "), HasSubstr(one.says)));
    EXPECT_EQ(std::count(run.errors.begin(), run.errors.end(), '\n'), 1) << run.errors;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "s.db")) << "nothing may be made before";
}

TEST_F(AgentProgramTest, CheckSaysWhereEachValueCameFrom) {
  const std::string config = Write("good.toml", "hostname = \"web-1\"\n");
  const auto check =
      RunAgent({"check", "--config", config, "--spool", Path("spool.db"), "--format", "json"},
               {{"DO_AGENT_INTERVAL", "5s"}});
  EXPECT_EQ(check.status, 0) << check.errors;
  EXPECT_EQ(check.errors, "");
  std::map<std::string, std::string> origins;
  const auto shown = nlohmann::json::parse(check.output);
  for (const auto& setting : shown["settings"]) {
    origins[setting["key"]] = setting["origin"];
  }
  EXPECT_EQ(origins["hostname"], config + ":1");
  EXPECT_EQ(origins["interval"], "DO_AGENT_INTERVAL");
  EXPECT_EQ(origins["spool"], "--spool");
  EXPECT_EQ(origins["rootfs"], "default");
}

TEST_F(AgentProgramTest, RunForStopsByItselfAndCountsWhatItStored) {
  const auto run = RunAgent(RunFor("400ms", {"--hostname", "web-1", "--region", "ams3"}));
  EXPECT_EQ(run.status, 0) << run.errors;
  EXPECT_EQ(run.output, "");
  EXPECT_THAT(run.errors,
              HasSubstr(std::string("do-agent ") + cli::kVersion + ": spool " + Path("spool.db") +
                        ", host web-1, a snapshot every 50ms, collectors "
                        "loadavg,time, no endpoint"));
  EXPECT_THAT(run.errors, HasSubstr("stopped by the end of run_for after "));

  const auto records = Records();
  ASSERT_GE(records.size(), 3U);
  EXPECT_EQ(records.front()["event"]["kind"], "start");
  EXPECT_EQ(records.back()["event"]["kind"], "stop");
  const auto snapshots = std::count_if(records.begin(), records.end(), [](const auto& record) {
    return record.contains("samples");
  });
  EXPECT_GT(snapshots, 0);
  EXPECT_THAT(run.errors,
              HasSubstr(": " + std::to_string(snapshots) + " snapshots stored, 0 kept"));
  const auto status = Status();
  EXPECT_EQ(status["origins"][0]["host"], "web-1");
  EXPECT_EQ(status["origins"][0]["pending_records"], 0) << "without an endpoint nothing is pending";
}

TEST_F(AgentProgramTest, EverySignalToStopIsACleanStop) {
  for (const auto& [signal, name] :
       {std::pair{SIGTERM, "SIGTERM"}, std::pair{SIGINT, "SIGINT"}, std::pair{SIGHUP, "SIGHUP"}}) {
    const std::filesystem::path log = folder_ / name;
    test::Process agent("do-agent", Logged(RunFor("1h"), log));
    ASSERT_TRUE(Started(log));
    agent.Signal(signal);
    EXPECT_EQ(agent.Wait(), 0) << name;
    EXPECT_THAT(test::ReadFile(log), HasSubstr(std::string("stopped by ") + name));
    const auto last = Records().back();
    EXPECT_EQ(last["event"]["kind"], "stop");
    EXPECT_EQ(last["event"]["reason"], name);
  }
}

TEST_F(AgentProgramTest, WhatTheWorldRefusesIsExitStatus3) {
  const auto folder = RunAgent({"run", "--config=", "--spool", "/nowhere/spool.db"});
  EXPECT_EQ(folder.status, 3);
  EXPECT_THAT(folder.errors, AllOf(HasSubstr("/nowhere/spool.db"), HasSubstr("make it, or name")));

  const auto no_spool =
      RunAgent({"run", "--config=", "--spool", Write("text", "not a spool at all\n")});
  EXPECT_EQ(no_spool.status, 3);
  EXPECT_THAT(no_spool.errors, HasSubstr(Path("text")));
  EXPECT_EQ(test::ReadFile(folder_ / "text"), "not a spool at all\n") << "never touched";
}

TEST_F(AgentProgramTest, ASecondAgentOnASpoolIsRefusedAndTheFirstGoesOn) {
  const std::filesystem::path log = folder_ / "log";
  test::Process first("do-agent", Logged(RunFor("1h"), log));
  ASSERT_TRUE(Started(log));
  const auto second = RunAgent(RunFor("1h"));
  EXPECT_EQ(second.status, 3);
  EXPECT_THAT(second.errors, HasSubstr("process " + std::to_string(first.pid())));
  EXPECT_TRUE(first.Running());
  first.Signal(SIGTERM);
  EXPECT_EQ(first.Wait(), 0);
}

TEST_F(AgentProgramTest, UnderTheJournalLinesHavePrioritiesAndNoTimes) {
  const std::filesystem::path log = folder_ / "log";
  test::WriteFile(log, "");
  struct stat status {};
  ASSERT_EQ(::stat(log.c_str(), &status), 0);
  const std::string stream = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
  test::Process agent("do-agent", Logged(RunFor("100ms"), log, {{"JOURNAL_STREAM", stream}}));
  EXPECT_EQ(agent.Wait(), 0);
  std::istringstream lines(test::ReadFile(log));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_THAT(line, MatchesRegex("<[3-7]>[^0-9].*"));
  }
  EXPECT_GE(count, 2);
}

TEST_F(AgentProgramTest, CollectPrintsOneSnapshot) {
  const auto text = RunAgent({"collect", "--config=", "--collectors", "loadavg"});
  EXPECT_EQ(text.status, 0) << text.errors;
  EXPECT_THAT(text.output, AllOf(HasSubstr("\nnode_load1 "), Not(HasSubstr("node_memory"))));
  const auto json =
      RunAgent({"collect", "--config=", "--format=json", "--count=2", "--interval=50ms"});
  EXPECT_EQ(json.status, 0) << json.errors;
  EXPECT_EQ(std::count(json.output.begin(), json.output.end(), '\n'), 2);
}

TEST_F(AgentProgramTest, CollectReadsACopyOfAProcfs) {
  Write("loadavg", "0.25 0.50 0.75 1/100 4242\n");
  const auto text = RunAgent({"collect", "--config=", "--procfs", folder_.path().string(),
                              "--collectors", "loadavg", "--path.udev.data=/run/udev/data"});
  EXPECT_EQ(text.status, 0) << text.errors;
  EXPECT_THAT(text.output, HasSubstr("\nnode_load1 0.25\n"));
}

}  // namespace
}  // namespace doagent::e2e
