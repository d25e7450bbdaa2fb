#include "tools/cli/setting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/tools/setting_support.h"
#include "tools/cli/near_miss.h"
#include "tools/cli/typed_value.h"
#include "tools/cli/variables.h"

namespace doagent::cli {
namespace {

using namespace std::chrono_literals;
using test::SmallTable;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Value Make(std::vector<std::string> items) {
  return {"key", std::move(items), Layer::kFlag, "--key"};
}

TEST(Setting, FlagAndVariableAreMadeFromTheKey) {
  EXPECT_EQ(FlagOf({.key = "spool_bytes_max"}), "--spool-bytes-max");
  EXPECT_EQ(VariableOf({.key = "spool_bytes_max"}), "DO_AGENT_SPOOL_BYTES_MAX");
  const Setting option{.key = "collector.netdev.device-include"};
  EXPECT_EQ(FlagOf(option), "--collector.netdev.device-include");
  EXPECT_EQ(VariableOf(option), "DO_AGENT_COLLECTOR_NETDEV_DEVICE_INCLUDE");
  EXPECT_EQ(FlagOf({.key = "a", .flags = {"b", "c"}}), "--b");
}

TEST(Setting, EveryOneHasADefaultEvenIfItIsNone) {
  const auto table = SmallTable();
  const Values values = Defaults(table);
  EXPECT_EQ(values.size(), table.size());
  EXPECT_EQ(At(values, "interval"), (Value{"interval", {"10s"}, Layer::kDefault, "default"}));
  EXPECT_THAT(At(values, "token_file").items, IsEmpty());
}

TEST(Setting, AboveReplacesBelowAndListsAreNotMixed) {
  const Values below = {{"a", {"a", {"1"}, Layer::kFile, "f:1"}},
                        {"b", {"b", {"x", "y"}, Layer::kFile, "f:2"}}};
  const Values above = {{"b", {"b", {"z"}, Layer::kFlag, "--b"}}};
  const Values layered = Layered(below, above);
  EXPECT_EQ(At(layered, "a").origin, "f:1");
  EXPECT_THAT(At(layered, "b").items, ElementsAre("z"));
}

TEST(Setting, AnErrorNamesThePlaceThatTheValueCameFrom) {
  EXPECT_EQ((Value{"interval", {"x"}, Layer::kFile, "/etc/a.toml:12"}).Place(),
            "/etc/a.toml:12: interval");
  EXPECT_EQ((Value{"interval", {"x"}, Layer::kVariable, "DO_AGENT_INTERVAL"}).Place(),
            "DO_AGENT_INTERVAL");
  EXPECT_EQ((Value{"interval", {"x"}, Layer::kFlag, "--interval"}).Place(), "--interval");
  EXPECT_EQ((Value{"interval", {"x"}}).Place(), "interval");
}

TEST(Setting, ListsSplitAtCommasAndSpace) {
  EXPECT_THAT(SplitList("a,b , c\td\n"), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(SplitList(",, ,"), IsEmpty());
  EXPECT_THAT(SplitList(""), IsEmpty());
}

TEST(TypedValue, SwitchesAreTrueOrFalse) {
  for (const char* text : {"true", "1"}) EXPECT_TRUE(ToSwitch(Make({text})).value());
  for (const char* text : {"false", "0"}) EXPECT_FALSE(ToSwitch(Make({text})).value());
  for (const char* text : {"yes", "TRUE", "", "2"}) {
    const auto value = ToSwitch(Make({text}));
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().where, "--key");
    EXPECT_THAT(value.error().what, HasSubstr("write true or false"));
  }
}

TEST(TypedValue, DurationsHaveLimits) {
  EXPECT_EQ(ToDuration(Make({"1s"}), 1s, 1min).value(), 1s);
  EXPECT_EQ(ToDuration(Make({"1m"}), 1s, 1min).value(), 1min);
  for (const char* text : {"999ms", "61s"}) {
    const auto value = ToDuration(Make({text}), 1s, 1min);
    ASSERT_FALSE(value) << text;
    EXPECT_THAT(value.error().Message(),
                AllOf(HasSubstr("--key: "), HasSubstr(text), HasSubstr("from 1s to 1m")));
  }
  EXPECT_THAT(ToDuration(Make({"x"}), 1s, 1min).error().Message(),
              HasSubstr("--key: \"x\" is not a duration"));
}

TEST(TypedValue, CountsAreWholeNumbersWithinLimits) {
  EXPECT_EQ(ToCount(Make({"1"}), 1, 10).value(), 1U);
  EXPECT_EQ(ToCount(Make({"10"}), 1, 10).value(), 10U);
  for (const char* text : {"0", "11", "", "-1", "1x", " 1", "1.0", "99999999999999999999"}) {
    EXPECT_FALSE(ToCount(Make({text}), 1, 10)) << text;
  }
}

TEST(TypedValue, PathsAreNotEmptyAndHaveNoNul) {
  EXPECT_EQ(ToPath(Make({"/a b"})).value(), "/a b");
  EXPECT_FALSE(ToPath(Make({})));
  EXPECT_FALSE(ToPath(Make({""})));
  EXPECT_FALSE(ToPath(Make({std::string("/a\0b", 4)})));
}

TEST(TypedValue, AChoiceNamesAllChoices) {
  EXPECT_EQ(ToChoice(Make({"b"}), {"a", "b", "c"}).value(), 1U);
  EXPECT_THAT(ToChoice(Make({"d"}), {"a", "b", "c"}).error().what, HasSubstr("a, b or c"));
}

TEST(NearMiss, FindsASlipAndNothingElse) {
  const std::vector<std::string> names = {"interval", "insecure", "token_file", "tls_ca",
                                          "collector.netdev.device-include"};
  const std::pair<const char*, const char*> cases[] = {
      {"intervall", "interval"},
      {"intreval", "interval"},
      {"Interval", "interval"},
      {"token-file", "token_file"},
      {"tokenfile", "token_file"},
      {"tls_cs", "tls_ca"},
      {"collector.netdev.device_includes", "collector.netdev.device-include"},
      {"bogus", ""},
      {"", ""},
      {"x", ""},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(NearMiss(text, names), expected) << text;
  EXPECT_EQ(NearMiss(std::string(100'000, 'i'), names), "");
  EXPECT_EQ(DidYouMean("intervall", names), " (did you mean \"interval\"?)");
  EXPECT_EQ(DidYouMean("bogus", names), "");
}

TEST(NearMiss, ComparesTheWordsThatDifferAndNotWhatTheyShare) {
  const std::vector<std::string> flags = {"--collector.time",
                                          "--no-collector.time",
                                          "--collector.netdev",
                                          "--no-collector.netdev",
                                          "--collector.filefd",
                                          "--collector.netdev.device-include",
                                          "--collector.netdev.device-exclude",
                                          "--collector.filesystem.mount-points-exclude"};
  const std::pair<const char*, const char*> cases[] = {
      {"--collector.netdve", "--collector.netdev"},
      {"--no-collector.netdve", "--no-collector.netdev"},
      {"--collector.netdev.device-exlude", "--collector.netdev.device-exclude"},
      {"--colector.netdev.device-include", "--collector.netdev.device-include"},
      // Other words of the same length, behind a long name that is right.
      {"--no-collector.wifi", ""},
      {"--collector.wifi", ""},
      {"--collector.systemd", ""},
      {"--collector.netdev.device-blacklist", ""},
      {"--collector.filesystem.ignored-mount-points", ""},
      // The opposite.
      {"--collector.filesystem.mount-points-include", ""},
      {"--nocollector.netdev", "--no-collector.netdev"},
      {"--nocollector.filefd", ""},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(NearMiss(text, flags), expected) << text;
}

TEST(Variables, GiveValuesOfTheirSettings) {
  const auto values = ReadVariables(
      {"PATH=/bin", "DO_AGENT_INTERVAL=5s", "DO_AGENT_ENDPOINT=grpc://a:1, grpc://b:2",
       "DO_AGENT_TOKEN_FILE=", "DO_AGENT_COLLECTOR_NETDEV_DEVICE_INCLUDE=^a=b$",
       "DO_AGENT_CONFIG=/x.toml", "XDO_AGENT_BOGUS=1"},
      SmallTable());
  ASSERT_TRUE(values) << values.error().Message();
  EXPECT_EQ(values->size(), 5U);
  EXPECT_EQ(At(*values, "interval"),
            (Value{"interval", {"5s"}, Layer::kVariable, "DO_AGENT_INTERVAL"}));
  EXPECT_THAT(At(*values, "endpoint").items, ElementsAre("grpc://a:1", "grpc://b:2"));
  EXPECT_THAT(At(*values, "token_file").items, IsEmpty());
  EXPECT_EQ(At(*values, "collector.netdev.device-include").text(), "^a=b$");
  EXPECT_EQ(At(*values, "config").text(), "/x.toml");
}

TEST(Variables, OneThatBelongsToNoSettingIsAnError) {
  const std::pair<const char*, const char*> cases[] = {
      {"DO_AGENT_INTERVALL=5s", "did you mean \"DO_AGENT_INTERVAL\"?"},
      {"DO_AGENT_=1", "no such setting"},
      {"DO_AGENT_BOGUS", "correct the name or unset it"},
      {"DO_AGENT_COLLECT_COUNT=3", "no such setting"},  // only a flag
  };
  for (const auto& [variable, why] : cases) {
    const auto values = ReadVariables({variable}, SmallTable());
    ASSERT_FALSE(values) << variable;
    EXPECT_THAT(values.error().what, HasSubstr(why));
    EXPECT_THAT(std::string(variable), HasSubstr(values.error().where));
    EXPECT_THAT(values.error().where, Not(HasSubstr("=")));
  }
}

}  // namespace
}  // namespace doagent::cli
