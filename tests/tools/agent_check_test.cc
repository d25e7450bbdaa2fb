#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "collector/collector.h"
#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"
#include "tools/cli/command_line.h"
#include "tools/do-agent/check_command.h"
#include "tools/do-agent/load_settings.h"
#include "tools/do-agent/resolve.h"
#include "tools/do-agent/setting_table.h"

namespace doagent::agent {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class CheckTest : public testing::Test {
 protected:
  CheckOutcome Run(const std::vector<std::string>& flags, const cli::Environment& variables = {}) {
    std::vector<std::string> words = {"check"};
    // A spool folder that is there, so that nothing is said about it.
    if (flags.empty() || flags[0].rfind("--spool", 0) != 0) {
      words.push_back("--spool=" + (folder_ / "spool.db").string());
    }
    words.insert(words.end(), flags.begin(), flags.end());
    const auto parsed = cli::ParseCommandLine(AgentProgram(machine_.collectors), words);
    if (!parsed) {
      ADD_FAILURE() << parsed.error().Message();
      return {};
    }
    const auto values =
        LoadValues(AllSettings(machine_.collectors), std::get<cli::Invocation>(*parsed).values,
                   variables, folder_ / "do-agent.toml");
    if (!values) {
      ADD_FAILURE() << values.error().Message();
      return {};
    }
    return Check(AgentSettingTable(machine_.collectors), *values, machine_,
                 [this](const cli::HostPort& address) -> Result<std::vector<std::string>> {
                   if (address.host == "unknown.example") {
                     return Fail(ErrorCode::kRetry, address.host,
                                 "cannot be resolved: no such name");
                   }
                   resolved_.push_back(address.host);
                   return std::vector<std::string>{"192.0.2.1", "192.0.2.2"};
                 })
        .value();
  }

  // The one error that is found.
  std::string ErrorOf(const std::vector<std::string>& flags) {
    const CheckOutcome outcome = Run(flags);
    EXPECT_EQ(outcome.findings.errors.size(), 1U);
    return outcome.findings.errors.empty() ? "" : outcome.findings.errors.front().Message();
  }

  std::string Write(const char* name, const std::string& content, mode_t mode = 0600) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << content;
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }

  const Machine machine_{collector::AvailableCollectors(),
                         [] { return std::chrono::steady_clock::now(); }, 100};
  std::vector<std::string> resolved_;
  const test::TempDir folder_;
};

TEST_F(CheckTest, ShowsEverySettingItsValueAndWhereItCameFrom) {
  const std::string config = Write("do-agent.toml", "\nhostname = \"web-1\"\n");
  const CheckOutcome outcome =
      Run({"--endpoint=grpcs://a:1,grpcs://b:2"}, {"DO_AGENT_INTERVAL=5s"});
  EXPECT_THAT(outcome.findings.errors, IsEmpty());
  EXPECT_THAT(outcome.findings.warnings, IsEmpty());
  EXPECT_THAT(outcome.out, ContainsRegex("interval +5s +DO_AGENT_INTERVAL\n"));
  EXPECT_THAT(outcome.out, ContainsRegex("endpoint +grpcs://a:1, grpcs://b:2 +--endpoint\n"));
  EXPECT_THAT(outcome.out, ContainsRegex("hostname +web-1 +" + config + ":2\n"));
  EXPECT_THAT(outcome.out, ContainsRegex("config +" + config + " +default\n"));
  EXPECT_THAT(outcome.out, ContainsRegex("token_file +- +default\n"));
  for (const auto& setting : AgentSettingTable(machine_.collectors)) {
    EXPECT_THAT("\n" + outcome.out, HasSubstr("\n" + setting.key + " "));
  }
}

TEST_F(CheckTest, ShowsTheSameAsJson) {
  const CheckOutcome outcome = Run({"--format=json", "--endpoint=grpcs://a:1", "--region=\"\x01"});
  const auto json = nlohmann::json::parse(outcome.out);
  const auto find = [&json](const std::string& key) {
    for (const auto& setting : json["settings"]) {
      if (setting["key"] == key) return setting;
    }
    return nlohmann::json();
  };
  EXPECT_EQ(json["settings"].size(), AgentSettingTable(machine_.collectors).size());
  EXPECT_EQ(
      find("interval"),
      nlohmann::json(
          {{"key", "interval"}, {"value", "10s"}, {"source", "default"}, {"origin", "default"}}));
  EXPECT_EQ(find("endpoint")["value"], nlohmann::json::array({"grpcs://a:1"}));
  EXPECT_EQ(find("endpoint")["source"], "flag");
  EXPECT_EQ(find("endpoint")["origin"], "--endpoint");
  EXPECT_EQ(find("token_file")["value"], nullptr);
  EXPECT_EQ(find("collectors")["value"], nlohmann::json::array());
  ASSERT_EQ(json["errors"].size(), 1U);
  EXPECT_THAT(json["errors"][0].get<std::string>(), HasSubstr("--region: "));
}

TEST_F(CheckTest, PatternsAndDirectoriesAreTried) {
  EXPECT_THAT(ErrorOf({"--collector.netdev.device-include=("}),
              StartsWith("--collector.netdev.device-include: "));
  EXPECT_THAT(ErrorOf({"--no-collector.netdev", "--collector.netdev.device-include=("}),
              StartsWith("--collector.netdev.device-include: "));
  EXPECT_THAT(ErrorOf({"--path.procfs=/nowhere", "--collectors=uname"}), StartsWith("--procfs: "));
}

TEST_F(CheckTest, AFloorThatDoesNotFitIsAnError) {
  EXPECT_THAT(ErrorOf({"--retain=3650d", "--retain-floor=3600d", "--spool-bytes-max=8MiB"}),
              AllOf(StartsWith("--retain-floor: 3600d of "),
                    HasSubstr("more than spool_bytes_max, 8MiB; raise that")));
  EXPECT_THAT(Run({"--retain=3650d", "--retain-floor=1h"}).findings.errors, IsEmpty());
}

TEST_F(CheckTest, WhatRunCouldNotOpenIsAnError) {
  EXPECT_THAT(ErrorOf({"--spool=/nowhere/spool.db"}),
              AllOf(StartsWith("--spool: /nowhere is not a folder"), HasSubstr("mkdir /nowhere")));
  EXPECT_THAT(ErrorOf({"--spool=" + Write("text", "no spool\n")}), StartsWith("--spool: "));
  EXPECT_THAT(ErrorOf({"--sysfs=/nowhere"}), StartsWith("--sysfs: /nowhere is not a folder"));
  EXPECT_THAT(ErrorOf({"--path.rootfs=/nowhere"}),
              StartsWith("--rootfs: /nowhere is not a folder"));
}

TEST_F(CheckTest, AFolderThatThisUserMayNotWriteToIsAnError) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  EXPECT_THAT(ErrorOf({"--spool=/usr/spool.db"}),
              AllOf(StartsWith("--spool: this user may not write into /usr"),
                    HasSubstr("Permission denied")));
}

TEST_F(CheckTest, TheSpoolIsNotMadeByAskingForIt) {
  const CheckOutcome outcome = Run({});
  EXPECT_TRUE(outcome.settings_make_sense);
  EXPECT_THAT(outcome.out, HasSubstr("spool.db will be made\n"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "spool.db"));
}

TEST_F(CheckTest, EachCollectorThatWouldRunIsRunOnce) {
  const CheckOutcome outcome = Run({"--collectors=loadavg,uname"});
  EXPECT_THAT(outcome.findings.errors, IsEmpty());
  EXPECT_THAT(outcome.out, ContainsRegex("\ncollector loadavg +3 series\n"));
  EXPECT_THAT(outcome.out, ContainsRegex("\ncollector uname +1 series\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\ncollector cpu ")));
}

TEST_F(CheckTest, ACollectorThatFailsIsAnErrorAndOneThatFindsNothingIsNot) {
  const std::filesystem::path procfs = folder_ / "proc";
  std::filesystem::create_directory(procfs);
  std::ofstream(procfs / "loadavg") << "garbage\n";
  const std::vector<std::string> flags = {"--procfs=" + procfs.string(),
                                          "--collectors=loadavg,meminfo"};
  EXPECT_THAT(ErrorOf(flags),
              AllOf(StartsWith("collector loadavg: "), HasSubstr((procfs / "loadavg").string())));
  const CheckOutcome outcome = Run(flags);
  EXPECT_THAT(outcome.out, ContainsRegex("\ncollector loadavg +would not work\n"));
  EXPECT_THAT(outcome.out, ContainsRegex("\ncollector meminfo +finds nothing on this host\n"));
}

TEST_F(CheckTest, AFolderWithoutWhatEveryProcfsHasIsNoProcfs) {
  EXPECT_THAT(ErrorOf({"--procfs=" + folder_.path().string(), "--collectors=uname"}),
              AllOf(StartsWith("--procfs: " + folder_.path().string()), HasSubstr("subset=pid")));
}

TEST_F(CheckTest, EveryEndpointsNameIsResolved) {
  const CheckOutcome outcome = Run({"--endpoint=grpcs://one.example:1,grpcs://[::1]:2"});
  EXPECT_THAT(outcome.findings.errors, IsEmpty());
  EXPECT_THAT(resolved_, ElementsAre("one.example", "::1"));
  EXPECT_THAT(outcome.out,
              ContainsRegex("\nendpoint grpcs://one.example:1 +is 192.0.2.1, 192.0.2.2; "));
  EXPECT_THAT(ErrorOf({"--endpoint=grpcs://unknown.example:1"}),
              StartsWith("--endpoint: unknown.example: cannot be resolved"));
}

TEST_F(CheckTest, AValueThatMakesNoSenseIsNotTried) {
  const CheckOutcome outcome = Run({"--interval=soon"});
  EXPECT_FALSE(outcome.settings_make_sense);
  EXPECT_THAT(outcome.out, Not(HasSubstr("Tried")));
}

TEST_F(CheckTest, WhatWasTriedIsInTheJsonToo) {
  const auto json = nlohmann::json::parse(
      Run({"--format=json", "--collectors=loadavg", "--endpoint=grpcs://unknown.example:1"}).out);
  std::map<std::string, bool> works;
  for (const auto& trial : json["trials"]) {
    works[trial["subject"].get<std::string>()] = trial["works"].get<bool>();
    EXPECT_NE(trial["says"], "");
  }
  EXPECT_EQ(works, (std::map<std::string, bool>{{"collector loadavg", true},
                                                {"spool", true},
                                                {"endpoint grpcs://unknown.example:1", false}}));
}

TEST(ResolveTest, KnowsThisHostAndSaysWhatItDoesNot) {
  const auto here = Resolve({"127.0.0.1", 1}, std::chrono::seconds(5));
  ASSERT_TRUE(here) << here.error().Message();
  EXPECT_THAT(*here, ElementsAre("127.0.0.1"));
  // RFC 6761: never a name. Without a resolver to ask, the answer is an error as well.
  const auto nowhere = Resolve({"do-agent.invalid", 1}, std::chrono::milliseconds(500));
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().Message(), StartsWith("do-agent.invalid: cannot be resolved: "));
}

TEST_F(CheckTest, ATokenMustBeOneLineInAFileThatCanBeRead) {
  const std::vector<std::string> endpoint = {"--endpoint=grpcs://a:1"};
  const auto error_of = [&](const std::string& path) {
    return ErrorOf({endpoint[0], "--token-file=" + path});
  };
  EXPECT_THAT(error_of("/nowhere/token"),
              AllOf(StartsWith("--token-file: "), HasSubstr("/nowhere/token")));
  EXPECT_THAT(error_of(folder_.path()), HasSubstr(folder_.path()));
  for (const std::string& content :
       {std::string(), std::string("\n \n"), std::string("one\ntwo\n"), std::string("with space"),
        std::string("s3cret\x01"), std::string("s3cr\0t", 6), std::string(70'000, 's')}) {
    const std::string error = error_of(Write("token", content));
    EXPECT_THAT(error, StartsWith("--token-file: " + (folder_ / "token").string()));
    EXPECT_THAT(error, Not(HasSubstr("s3cr"))) << "a token must never be shown";
  }
}

TEST_F(CheckTest, AGoodTokenIsFineAndNotShown) {
  const std::string path = Write("token", "s3cret\n");
  const CheckOutcome outcome = Run({"--endpoint=grpcs://a:1", "--token-file=" + path});
  EXPECT_THAT(outcome.findings.errors, IsEmpty());
  EXPECT_THAT(outcome.findings.warnings, IsEmpty());
  EXPECT_THAT(outcome.out, AllOf(HasSubstr(path), Not(HasSubstr("s3cret"))));
}

TEST_F(CheckTest, ATokenThatEverybodyCanReadIsAWarning) {
  const std::string path = Write("token", "s3cret\n", 0644);
  EXPECT_THAT(Run({"--endpoint=grpcs://a:1", "--token-file=" + path}).findings.warnings,
              ElementsAre(AllOf(HasSubstr("open to every user"), HasSubstr("chmod o= " + path))));
  const std::string shared = Write("shared", "s3cret\n", 0640);
  EXPECT_THAT(Run({"--endpoint=grpcs://a:1", "--token-file=" + shared}).findings.warnings,
              IsEmpty());
}

TEST_F(CheckTest, ATokenWithoutAnEndpointIsAWarning) {
  EXPECT_THAT(Run({"--token-file=" + Write("token", "s3cret\n")}).findings.warnings,
              ElementsAre(HasSubstr("no endpoint is set")));
}

TEST_F(CheckTest, CertificateAndKeyMustBeReadableAndFitTogether) {
  test::TestAuthority authority;
  const test::PemPair one = authority.Issue("one");
  const test::PemPair two = authority.Issue("two");
  const std::string ca = Write("ca.pem", authority.cert_pem());
  const std::string cert = Write("one.pem", one.cert);
  const std::string key = Write("one.key", one.key);
  const std::string other_key = Write("two.key", two.key);
  const std::string garbage = Write("garbage", "garbage\n");
  const std::string endpoint = "--endpoint=grpcs://a:1";

  const CheckOutcome good =
      Run({endpoint, "--tls-ca=" + ca, "--tls-cert=" + cert, "--tls-key=" + key});
  EXPECT_THAT(good.findings.errors, IsEmpty());
  EXPECT_THAT(good.findings.warnings, IsEmpty());

  EXPECT_THAT(ErrorOf({endpoint, "--tls-ca=" + garbage}), StartsWith("--tls-ca: " + garbage));
  EXPECT_THAT(ErrorOf({endpoint, "--tls-ca=/nowhere/ca"}), StartsWith("--tls-ca: /nowhere/ca"));
  EXPECT_THAT(ErrorOf({endpoint, "--tls-cert=" + cert, "--tls-key=" + other_key}),
              AllOf(StartsWith("--tls-cert: "), HasSubstr("two.key")));
  EXPECT_THAT(ErrorOf({endpoint, "--tls-cert=" + garbage, "--tls-key=" + key}),
              HasSubstr("garbage"));
  EXPECT_THAT(ErrorOf({endpoint, "--tls-cert=" + cert, "--tls-key=" + garbage}),
              HasSubstr("garbage"));
  EXPECT_THAT(ErrorOf({endpoint, "--tls-cert=" + cert, "--tls-key=/nowhere/key"}),
              HasSubstr("/nowhere/key"));

  ASSERT_EQ(::chmod(key.c_str(), 0604), 0);
  EXPECT_THAT(Run({endpoint, "--tls-cert=" + cert, "--tls-key=" + key}).findings.warnings,
              ElementsAre(AllOf(StartsWith("--tls-key: "), HasSubstr("open to every user"))));
}

TEST_F(CheckTest, SeveralErrorsAreAllTold) {
  const CheckOutcome outcome = Run({"--endpoint=grpcs://a:1", "--token-file=/nowhere/t",
                                    "--tls-ca=/nowhere/ca", "--procfs=/nowhere/proc"});
  EXPECT_EQ(outcome.findings.errors.size(), 3U);
}

}  // namespace
}  // namespace doagent::agent
