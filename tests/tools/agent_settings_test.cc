#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "collector/collector.h"
#include "tests/support/paths.h"
#include "tests/support/temp_dir.h"
#include "tools/cli/command_line.h"
#include "tools/cli/settings_file.h"
#include "tools/cli/typed_value.h"
#include "tools/do-agent/check_settings.h"
#include "tools/do-agent/load_settings.h"
#include "tools/do-agent/retention_settings.h"
#include "tools/do-agent/setting_table.h"
#include "tools/do-agent/settings.h"

namespace doagent::agent {
namespace {

using namespace std::chrono_literals;
using cli::At;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Optional;
using testing::StartsWith;

Machine ThisMachine() {
  return {collector::AvailableCollectors(), [] { return MonoTime(); }, 100};
}

// What a person can bring to bear on the settings.
struct Given {
  std::string file = {};
  cli::Environment variables = {};
  std::vector<std::string> flags = {};
};

class AgentSettingsTest : public testing::Test {
 protected:
  Result<cli::Values> Load(const Given& given, const std::string& command = "run") {
    std::vector<std::string> words = {command};
    words.insert(words.end(), given.flags.begin(), given.flags.end());
    const auto parsed = cli::ParseCommandLine(AgentProgram(machine_.collectors), words);
    if (!parsed) return Fail(parsed.error());
    if (!given.file.empty()) std::ofstream(config_) << given.file;
    return LoadValues(AllSettings(machine_.collectors), std::get<cli::Invocation>(*parsed).values,
                      given.variables, config_);
  }

  Result<AgentSettings> Settings(const Given& given) {
    DOAGENT_ASSIGN(const cli::Values values, Load(given));
    return ToAgentSettings(values, machine_);
  }

  const Machine machine_ = ThisMachine();
  const test::TempDir folder_;
  const std::filesystem::path config_ = folder_ / "do-agent.toml";
};

TEST_F(AgentSettingsTest, RetentionIsWhatIsAskedFor) {
  auto settings = Settings({});
  ASSERT_TRUE(settings) << settings.error().Message();
  EXPECT_EQ(settings->retention.bytes_max, 1ULL << 30);
  EXPECT_EQ(settings->retention.disk_free_bytes_min, 0U);
  EXPECT_FALSE(settings->retention.expires);  // no endpoint, no retain
  settings = Settings({.flags = {"--retain", "90d", "--retain-floor", "1h", "--spool-bytes-max",
                                 "64MiB", "--disk-free-min", "1GiB"}});
  ASSERT_TRUE(settings) << settings.error().Message();
  EXPECT_EQ(settings->retention.bytes_max, 64ULL << 20);
  EXPECT_EQ(settings->retention.disk_free_bytes_min, 1ULL << 30);
  EXPECT_TRUE(settings->retention.expires);
  EXPECT_EQ(settings->retention.age, 24h * 90);
  EXPECT_EQ(settings->retention.floor, 1h);
  settings = Settings({.flags = {"--endpoint", "grpc://127.0.0.1:1"}});
  ASSERT_TRUE(settings) << settings.error().Message();
  EXPECT_TRUE(settings->retention.expires);
  EXPECT_EQ(settings->retention.age, 24h);
}

TEST_F(AgentSettingsTest, RetentionThatContradictsItselfIsRefused) {
  const struct {
    std::vector<std::string> args;
    const char* says;
  } cases[] = {
      {{"--retain", "1d", "--endpoint", "grpc://127.0.0.1:1"}, "--retain: means nothing while"},
      {{"--retain-acknowledged", "1d"}, "--retain-acknowledged: means nothing without"},
      {{"--retain", "1h", "--retain-floor", "2h"}, "--retain-floor: 2h is longer than the 1h"},
      {{"--spool-bytes-max", "1MiB"}, "out of range; give something from 8MiB to 1024TiB"},
      {{"--spool-bytes-max", "much"}, "--spool-bytes-max: "},
      {{"--retain", "1s"}, "out of range"},
  };
  for (const auto& one : cases) {
    const auto settings = Settings({.flags = one.args});
    ASSERT_FALSE(settings) << one.says;
    EXPECT_THAT(settings.error().Message(), HasSubstr(one.says));
  }
}

TEST(CheckFloorFits, ShowsTheArithmetic) {
  spool::RetentionPolicy policy;
  policy.bytes_max = 64 << 20;
  policy.floor = 24h * 7;
  EXPECT_TRUE(CheckFloorFits(policy, 10s, 1000));
  const auto refused = CheckFloorFits(policy, 1s, 1000);
  ASSERT_FALSE(refused);
  EXPECT_THAT(
      refused.error().Message(),
      HasSubstr("7d of 1000 series every 1s take about 288 MiB (half a byte a sample), more "
                "than spool_bytes_max, 64MiB; raise that or shorten retain_floor"));
}

TEST_F(AgentSettingsTest, DefaultsAreTheDocumentedOnes) {
  const auto settings = Settings({});
  ASSERT_TRUE(settings) << settings.error().Message();
  EXPECT_EQ(settings->config, "");
  EXPECT_EQ(settings->spool, "/var/lib/do-agent/spool.db");
  EXPECT_EQ(settings->interval, 10s);
  EXPECT_EQ(settings->run_for, std::nullopt);
  EXPECT_EQ(settings->log_level, cli::LogLevel::kInfo);
  EXPECT_THAT(settings->delivery.endpoints, IsEmpty());
  EXPECT_EQ(settings->delivery.token_file, "");
  EXPECT_FALSE(settings->delivery.insecure);
  EXPECT_EQ(settings->host.hostname, "");
  EXPECT_EQ(settings->collector.procfs, "/proc");
  EXPECT_EQ(settings->collector.sysfs, "/sys");
  EXPECT_EQ(settings->collector.rootfs, "/");
  EXPECT_EQ(settings->collector.enabled, std::nullopt);
  EXPECT_THAT(settings->collector.settings, IsEmpty());
  EXPECT_EQ(settings->collector.user_hz, 100U);
}

TEST_F(AgentSettingsTest, FlagBeatsVariableBeatsFileBeatsDefault) {
  const std::string file = "interval = \"1s\"\n";
  const cli::Environment variables = {"DO_AGENT_INTERVAL=2s"};
  const std::vector<std::string> flags = {"--interval", "3s"};
  struct Case {
    Given given;
    Nanoseconds interval;
    std::string origin;
  };
  const Case cases[] = {
      {{}, 10s, "default"},
      {{file, variables, flags}, 3s, "--interval"},
      {{"", variables, flags}, 3s, "--interval"},
      {{file, {}, flags}, 3s, "--interval"},
      {{file, variables, {}}, 2s, "DO_AGENT_INTERVAL"},
      {{file, {}, {}}, 1s, config_.string() + ":1"},
  };
  for (const Case& one : cases) {
    const auto values = Load(one.given);
    ASSERT_TRUE(values) << values.error().Message();
    EXPECT_EQ(At(*values, "interval").origin, one.origin);
    EXPECT_EQ(ToAgentSettings(*values, machine_).value().interval, one.interval) << one.origin;
  }
}

TEST_F(AgentSettingsTest, AHigherLayerCanUnset) {
  const auto settings = Settings({.file = "token_file = \"/t\"\nendpoint = \"grpcs://a:1\"\n",
                                  .variables = {"DO_AGENT_ENDPOINT="},
                                  .flags = {"--token-file="}});
  ASSERT_TRUE(settings) << settings.error().Message();
  EXPECT_EQ(settings->delivery.token_file, "");
  EXPECT_THAT(settings->delivery.endpoints, IsEmpty());
}

TEST_F(AgentSettingsTest, TheFileIsTheNamedOneOrElseTheUsualOneIfItIsThere) {
  const std::filesystem::path other = folder_ / "other.toml";
  std::ofstream(other) << "interval = \"7s\"\n";
  const auto file_of = [this](const Given& given) {
    return At(Load(given).value(), "config").text();
  };
  EXPECT_EQ(file_of({}), "");
  EXPECT_EQ(file_of({.file = "insecure = true\n"}), config_.string());
  EXPECT_EQ(file_of({.flags = {"--config", other.string()}}), other.string());
  EXPECT_EQ(file_of({.variables = {"DO_AGENT_CONFIG=" + other.string()}}), other.string());
  EXPECT_EQ(file_of({.variables = {"DO_AGENT_CONFIG=/nowhere"}, .flags = {"--config="}}), "");
  EXPECT_EQ(Settings({.flags = {"--config", other.string()}})->interval, 7s);

  const auto missing = Load({.flags = {"--config", "/nowhere/x.toml"}});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().Message(), StartsWith("/nowhere/x.toml: "));
}

TEST_F(AgentSettingsTest, DeliveryAndHostComeThrough) {
  const auto settings =
      Settings({.file = "endpoint = [\"grpcs://a:1\", \"grpc://127.0.0.1:2\"]\n"
                        "tls_ca = \"/ca\"\ntls_cert = \"/cert\"\ntls_key = \"/key\"\n",
                .flags = {"--hostname", "web-1", "--region=ams3", "--droplet-id", "42", "--run-for",
                          "1h", "--log-level", "debug"}});
  ASSERT_TRUE(settings) << settings.error().Message();
  EXPECT_THAT(settings->delivery.endpoints,
              ElementsAre(cli::Endpoint{true, {"a", 1}}, cli::Endpoint{false, {"127.0.0.1", 2}}));
  EXPECT_EQ(settings->delivery.tls_ca, "/ca");
  EXPECT_EQ(settings->delivery.tls_cert, "/cert");
  EXPECT_EQ(settings->delivery.tls_key, "/key");
  EXPECT_EQ(settings->host.hostname, "web-1");
  EXPECT_EQ(settings->host.region, "ams3");
  EXPECT_EQ(settings->host.droplet_id, "42");
  EXPECT_THAT(settings->run_for, Optional(Nanoseconds(1h)));
  EXPECT_EQ(settings->log_level, cli::LogLevel::kDebug);
}

TEST_F(AgentSettingsTest, ANodeExporterCommandLineMovesOver) {
  const auto settings = Settings(
      {.flags = {"--path.procfs=/host/proc", "--path.sysfs", "/host/sys", "--path.rootfs=/host",
                 "--no-collector.loadavg", "--collector.netdev.device-include=^eth",
                 "--no-collector.cpu.guest", "--collector.meminfo"}});
  ASSERT_TRUE(settings) << settings.error().Message();
  EXPECT_EQ(settings->collector.procfs, "/host/proc");
  EXPECT_EQ(settings->collector.sysfs, "/host/sys");
  EXPECT_EQ(settings->collector.rootfs, "/host");
  ASSERT_TRUE(settings->collector.enabled);
  EXPECT_THAT(*settings->collector.enabled, AllOf(Contains("meminfo"), Not(Contains("loadavg"))));
  const collector::CollectorSettings expected = {{"cpu", {{"guest", "false"}}},
                                                 {"netdev", {{"device-include", "^eth"}}}};
  EXPECT_EQ(settings->collector.settings, expected);
}

TEST_F(AgentSettingsTest, CollectorsMeansExactlyThese) {
  const auto settings = Settings({.file = "[collector.meminfo]\nenabled = false\n",
                                  .variables = {"DO_AGENT_COLLECTORS=meminfo,loadavg"}});
  ASSERT_TRUE(settings) << settings.error().Message();
  EXPECT_THAT(settings->collector.enabled, Optional(ElementsAre("meminfo", "loadavg")));
}

TEST_F(AgentSettingsTest, APatternThatIsSetEmptyIsNotTheDefault) {
  const auto settings = Settings({.flags = {"--collector.diskstats.device-exclude="}});
  ASSERT_TRUE(settings) << settings.error().Message();
  EXPECT_EQ(settings->collector.settings.at("diskstats").at("device-exclude"), "");
}

struct BadSetting {
  Given given;
  std::string begins;
  const char* says;
};

TEST_F(AgentSettingsTest, EveryErrorNamesThePlaceTheTextAndTheRemedy) {
  const std::string file = config_.string();
  const BadSetting cases[] = {
      {{"interval = \"10x\"\n"}, file + ":1: interval: ", "\"10x\" is not a duration; write"},
      {{"", {"DO_AGENT_INTERVAL=10x"}}, "DO_AGENT_INTERVAL: ", "\"10x\" is not a duration"},
      {{"", {}, {"--interval=49ms"}}, "--interval: ", "give something from 50ms to 1h"},
      {{"", {}, {"--interval="}}, "--interval: ", "is not a duration"},
      {{"", {}, {"--run-for=0"}}, "--run-for: ", "out of range"},
      {{"", {}, {"--run-for=soon"}}, "--run-for: ", "\"soon\" is not a duration"},
      {{"", {}, {"--spool="}}, "--spool: ", "is empty; give a path"},
      {{"", {"DO_AGENT_PROCFS="}}, "DO_AGENT_PROCFS: ", "is empty; give a path"},
      {{"log_level = \"loud\"\n"}, file + ":1: log_level: ", "choose trace, debug, info"},
      {{"", {"DO_AGENT_INSECURE=yes"}}, "DO_AGENT_INSECURE: ", "write true or false"},
      {{"\nendpoint = [\"grpcs://a:1\", \"a:1\"]\n"}, file + ":2: endpoint: ", "\"a:1\""},
      {{"", {}, {"--endpoint=otlp://a:1"}}, "--endpoint: ", "does not speak"},
      {{"", {}, {"--endpoint=grpc://10.0.0.1:1"}}, "--endpoint: ", "--insecure"},
      {{"", {}, {"--endpoint=grpcs://a:1,grpcs://a:1"}}, "--endpoint: ", "twice"},
      {{"",
        {},
        {"--endpoint=grpcs://a:1,grpcs://a:2,grpcs://a:3,grpcs://a:4,grpcs://a:5,"
         "grpcs://a:6,grpcs://a:7,grpcs://a:8,grpcs://a:9"}},
       "--endpoint: ",
       "more than 8"},
      {{"", {}, {"--tls-cert=/c"}}, "--tls-cert: ", "is set without tls_key"},
      {{"tls_key = \"/k\"\n"}, file + ":1: tls_key: ", "is set without tls_cert"},
      {{"", {}, {"--endpoint=grpc://[::1]:1", "--tls-ca=/c"}}, "--tls-ca: ", "plaintext"},
      {{"", {}, {"--hostname=a\nb"}}, "--hostname: ", "control characters"},
      {{"", {}, {"--droplet-id=caf\xe9"}}, "--droplet-id: ", "not UTF-8"},
      {{"", {}, {"--region=" + std::string(256, 'x')}}, "--region: ", "longer than 255"},
      {{"collectors = [\"loadavg\", \"memnfo\"]\n"},
       file + ":1: collectors: ",
       "\"memnfo\" (did you mean \"meminfo\"?); there are "},
      {{"", {"DO_AGENT_COLLECTOR_CPU_ENABLED=on"}},
       "DO_AGENT_COLLECTOR_CPU_ENABLED: ",
       "write true or false"},
      {{"", {"DO_AGENT_COLLECTOR_CPU_GUEST=on"}},
       "DO_AGENT_COLLECTOR_CPU_GUEST: ",
       "write true or false"},
      {{"", {"DO_AGENT_INTERVALL=1s"}}, "DO_AGENT_INTERVALL: ", "did you mean"},
      {{"spool_bytes_least = \"1GiB\"\n"}, file + ":1: ", "no setting \"spool_bytes_least\""},
      {{"run_for = 3\n"}, file + ":1: run_for: ", "must be a duration in quotes"},
  };
  for (const BadSetting& one : cases) {
    std::filesystem::remove(config_);
    const auto settings = Settings(one.given);
    ASSERT_FALSE(settings) << one.begins << one.says;
    EXPECT_EQ(settings.error().code, ErrorCode::kRefuse);
    EXPECT_THAT(settings.error().Message(), StartsWith(one.begins));
    EXPECT_THAT(settings.error().Message(), HasSubstr(one.says)) << one.begins;
  }
}

TEST_F(AgentSettingsTest, CollectHasItsOwn) {
  const auto values = Load({.file = "interval = \"1m\"\n", .flags = {"--count", "3"}}, "collect");
  ASSERT_TRUE(values) << values.error().Message();
  const auto own = ToCollectSettings(*values);
  ASSERT_TRUE(own) << own.error().Message();
  EXPECT_EQ(own->format, CollectFormat::kPrometheus);
  EXPECT_EQ(own->count, 3U);
  EXPECT_EQ(own->interval, 1s) << "the agent's interval is not collect's";

  const auto json = Load({.flags = {"--format=json", "--interval", "50ms"}}, "collect");
  EXPECT_EQ(ToCollectSettings(json.value())->format, CollectFormat::kJson);
  EXPECT_EQ(ToCollectSettings(json.value())->interval, 50ms);
  for (const char* flag : {"--format=csv", "--count=0", "--count=1000001", "--count=x",
                           "--interval=49ms", "--interval=2h"}) {
    const auto bad = ToCollectSettings(Load({.flags = {flag}}, "collect").value());
    ASSERT_FALSE(bad) << flag;
    EXPECT_THAT(std::string(flag), StartsWith(bad.error().where));
  }
}

TEST_F(AgentSettingsTest, CheckHasItsOwn) {
  EXPECT_EQ(ToCheckFormat(Load({}, "check").value()).value(), CheckFormat::kText);
  EXPECT_EQ(ToCheckFormat(Load({.flags = {"--format=json"}}, "check").value()).value(),
            CheckFormat::kJson);
  EXPECT_FALSE(ToCheckFormat(Load({.flags = {"--format=xml"}}, "check").value()));
}

TEST_F(AgentSettingsTest, NoTwoSettingsShareAFlagOrAVariable) {
  std::set<std::string> variables;
  for (const auto& setting : AllSettings(machine_.collectors)) {
    if (setting.scope == cli::SettingScope::kOnlyFlag) continue;
    EXPECT_TRUE(variables.insert(VariableOf(setting)).second) << setting.key;
  }
  for (const auto& command : AgentProgram(machine_.collectors).commands) {
    std::set<std::string> flags = {"--help", "--version"};
    for (const auto& setting : command.settings) {
      EXPECT_TRUE(flags.insert(FlagOf(setting)).second) << command.name << setting.key;
      EXPECT_FALSE(setting.help.empty()) << setting.key;
    }
  }
}

// --- The example file ----------------------------------------------------------------------------

std::string Example() {
  std::ifstream file(test::SourceDir() / "packaging/do-agent.toml");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// With the # taken away from every setting.
std::string ExampleWithAllSet() {
  std::istringstream lines(Example());
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    const bool is_setting = line.size() > 1 && line[0] == '#' && line[1] >= 'a' && line[1] <= 'z';
    text += (is_setting ? line.substr(1) : line) + "\n";
  }
  return text;
}

TEST_F(AgentSettingsTest, TheExampleFileAsInstalledChangesNothing) {
  const auto values = cli::ParseSettings(Example(), "example", AllSettings(machine_.collectors));
  ASSERT_TRUE(values) << values.error().Message();
  EXPECT_THAT(*values, IsEmpty());
}

TEST_F(AgentSettingsTest, TheExampleFileShowsEverySettingWithItsDefault) {
  const auto table = AgentSettingTable(machine_.collectors);
  const auto values =
      cli::ParseSettings(ExampleWithAllSet(), "example", AllSettings(machine_.collectors));
  ASSERT_TRUE(values) << values.error().Message();
  for (const auto& setting : table) {
    if (setting.scope != cli::SettingScope::kEverywhere) continue;
    const auto shown = values->find(setting.key);
    ASSERT_NE(shown, values->end()) << setting.key << " is not in packaging/do-agent.toml";
    EXPECT_FALSE(shown->second.items.empty()) << setting.key;
    if (!setting.fallback.empty()) {
      EXPECT_EQ(shown->second.text(), setting.fallback) << setting.key;
    }
  }
}

TEST_F(AgentSettingsTest, TheExamplesInTheExampleFileAreValid) {
  // All but one of two that exclude each other.
  for (const std::string left_out : {"retain = ", "endpoint = "}) {
    std::string text = ExampleWithAllSet();
    const auto line = text.find("\n" + left_out) + 1;
    text.erase(line, text.find('\n', line) - line);
    if (left_out == "endpoint = ") {
      const auto acknowledged = text.find("\nretain_acknowledged = ") + 1;
      text.erase(acknowledged, text.find('\n', acknowledged) - acknowledged);
    }
    const auto settings = Settings({.file = text});
    EXPECT_TRUE(settings) << settings.error().Message();
  }
}

}  // namespace
}  // namespace doagent::agent
