#include "tools/do-agent/node_exporter_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "collector/collector.h"
#include "tools/cli/command_line.h"
#include "tools/cli/typed_value.h"
#include "tools/do-agent/setting_table.h"

namespace doagent::agent {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

auto Parse(const std::string& flag) {
  return cli::ParseCommandLine(AgentProgram(collector::AvailableCollectors()), {"collect", flag});
}

struct Moved {
  const char* older;
  const char* key;
};

TEST(NodeExporterFlags, OlderNamesAreTakenWithAWarning) {
  const Moved cases[] = {
      {"--collector.netdev.device-whitelist", "collector.netdev.device-include"},
      {"--collector.netdev.device-blacklist", "collector.netdev.device-exclude"},
      {"--collector.netdev.ignored-devices", "collector.netdev.device-exclude"},
      {"--collector.diskstats.ignored-devices", "collector.diskstats.device-exclude"},
      {"--collector.filesystem.ignored-mount-points", "collector.filesystem.mount-points-exclude"},
      {"--collector.filesystem.ignored-fs-types", "collector.filesystem.fs-types-exclude"},
  };
  for (const Moved& one : cases) {
    const auto parsed = Parse(std::string(one.older) + "=^lo$");
    ASSERT_TRUE(parsed) << parsed.error().Message();
    const auto& invocation = std::get<cli::Invocation>(*parsed);
    EXPECT_EQ(cli::At(invocation.values, one.key).text(), "^lo$") << one.older;
    EXPECT_THAT(invocation.warnings,
                ElementsAre(std::string(one.older) + " is an older name; write --" + one.key));
  }
}

TEST(NodeExporterFlags, ACollectorThatDoesNotExistYetIsNamedAsSuch) {
  for (const char* flag :
       {"--collector.wifi", "--collector.textfile.directory=/x", "--collector.systemd"}) {
    const auto parsed = Parse(flag);
    ASSERT_FALSE(parsed) << flag;
    EXPECT_THAT(parsed.error().Message(),
                AllOf(HasSubstr("do-agent has no collector "), Not(HasSubstr("did you mean"))));
  }
}

TEST(NodeExporterFlags, WhatIsNotThereIsEasilyTurnedOff) {
  const auto parsed = Parse("--no-collector.wifi");
  ASSERT_TRUE(parsed) << parsed.error().Message();
  const auto& invocation = std::get<cli::Invocation>(*parsed);
  EXPECT_THAT(invocation.values, IsEmpty());
  EXPECT_THAT(invocation.warnings, ElementsAre(HasSubstr("no collector wifi yet")));
  EXPECT_FALSE(Parse("--no-collector.bogus"));
}

TEST(NodeExporterFlags, OthersAreExplained) {
  EXPECT_THAT(Parse("--web.listen-address=:9100").error().Message(), HasSubstr("HTTP server"));
  EXPECT_THAT(Parse("--collector.disable-defaults").error().Message(), HasSubstr("--collectors"));
  EXPECT_THAT(Parse("--collector.bogus").error().Message(),
              HasSubstr("there is no option --collector.bogus"));
}

// A collector that is added here must leave the list there.
TEST(NodeExporterFlags, NoCollectorOfOursIsCalledMissing) {
  for (const auto& collector : collector::AvailableCollectors()) {
    EXPECT_FALSE(NodeExporterFlag("--collector." + collector.name)) << collector.name;
    EXPECT_FALSE(NodeExporterFlag("--no-collector." + collector.name)) << collector.name;
  }
}

}  // namespace
}  // namespace doagent::agent
