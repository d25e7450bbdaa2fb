#include "tools/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tests/tools/setting_support.h"
#include "tools/cli/typed_value.h"

namespace doagent::cli {
namespace {

using test::SmallTable;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Program SmallProgram() {
  return {.name = "prog",
          .version = "1.2.3",
          .help = "Does things",
          .examples = "Examples:\n  prog run",
          .commands = {{"run", "Runs things", "Examples:\n  prog run --interval 5s", SmallTable()},
                       {"check", "Checks things", "Examples:\n  prog check", {}}}};
}

auto Parse(const std::vector<std::string>& arguments) {
  return ParseCommandLine(SmallProgram(), arguments);
}

Values Given(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"run"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const auto parsed = Parse(all);
  if (!parsed) {
    ADD_FAILURE() << parsed.error().Message();
    return {};
  }
  return std::get<Invocation>(*parsed).values;
}

TEST(CommandLine, GivesTheCommandAndOnlyWhatWasGiven) {
  const auto parsed = Parse({"run", "--interval", "5s", "--token-file=/t"});
  ASSERT_TRUE(parsed) << parsed.error().Message();
  const auto& invocation = std::get<Invocation>(*parsed);
  EXPECT_EQ(invocation.command, "run");
  EXPECT_EQ(invocation.values.size(), 2U);
  EXPECT_EQ(At(invocation.values, "interval"),
            (Value{"interval", {"5s"}, Layer::kFlag, "--interval"}));
  EXPECT_EQ(At(invocation.values, "token_file").text(), "/t");
  EXPECT_THAT(Given({}), IsEmpty());
}

TEST(CommandLine, AValueIsWhateverStandsThere) {
  EXPECT_EQ(At(Given({"--token-file", "-x"}), "token_file").text(), "-x");
  EXPECT_EQ(At(Given({"--token-file=--interval"}), "token_file").text(), "--interval");
  EXPECT_EQ(At(Given({"--token-file", "[a,b]"}), "token_file").text(), "[a,b]");
  EXPECT_EQ(At(Given({"--token-file=a=b \"c\""}), "token_file").text(), "a=b \"c\"");
}

TEST(CommandLine, AnEmptyValueMeansNoneAndLeavesTheNextWordAlone) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--token-file=", "--interval", "5s"},
        std::vector<std::string>{"--token-file", "", "--interval", "5s"}}) {
    const Values values = Given(words);
    EXPECT_THAT(At(values, "token_file").items, IsEmpty());
    EXPECT_EQ(At(values, "interval").text(), "5s");
  }
}

TEST(CommandLine, SwitchesNeedNoValue) {
  EXPECT_EQ(At(Given({"--insecure"}), "insecure").text(), "true");
  EXPECT_EQ(At(Given({"--insecure=false"}), "insecure").text(), "false");
  EXPECT_EQ(At(Given({"--collector.netdev"}), "collector.netdev.enabled").text(), "true");
  EXPECT_EQ(At(Given({"--no-collector.netdev"}), "collector.netdev.enabled").text(), "false");
}

TEST(CommandLine, ListsGrowAndSplit) {
  EXPECT_THAT(At(Given({"--endpoint", "a,b", "--endpoint=c"}), "endpoint").items,
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(At(Given({"--endpoint="}), "endpoint").items, IsEmpty());
}

TEST(CommandLine, OtherNamesOfAFlagCountAsTheFlag) {
  EXPECT_EQ(At(Given({"--path.procfs=/x"}), "procfs"),
            (Value{"procfs", {"/x"}, Layer::kFlag, "--procfs"}));
}

TEST(CommandLine, AnOlderNameOfAFlagCountsAndIsTold) {
  Program program = SmallProgram();
  program.commands[0].settings[2].older_flags = {"token", "secret"};
  const auto parse = [&program](const std::vector<std::string>& words) {
    return ParseCommandLine(program, words);
  };
  const auto parsed = parse({"run", "--secret", "/t"});
  ASSERT_TRUE(parsed) << parsed.error().Message();
  const auto& invocation = std::get<Invocation>(*parsed);
  EXPECT_EQ(At(invocation.values, "token_file"),
            (Value{"token_file", {"/t"}, Layer::kFlag, "--token-file"}));
  EXPECT_THAT(invocation.warnings, ElementsAre("--secret is an older name; write --token-file"));
  EXPECT_THAT(std::get<Invocation>(*parse({"run", "--token-file", "/t"})).warnings, IsEmpty());
  EXPECT_THAT(parse({"run", "--secret", "/t", "--token-file", "/u"}).error().Message(),
              HasSubstr("--token-file is given more than once"));
  EXPECT_THAT(std::get<Answer>(*parse({"run", "--help"})).text, Not(HasSubstr("--secret")));
}

TEST(CommandLine, AFlagOfAnotherProgramIsExplained) {
  Program program = SmallProgram();
  program.foreign_flag = [](const std::string& flag) -> std::optional<ForeignFlag> {
    if (flag == "--idle") return ForeignFlag{"is what we do anyway", true};
    if (flag == "--fly") return ForeignFlag{"is for birds", false};
    return std::nullopt;
  };
  const auto parsed = ParseCommandLine(program, {"run", "--idle=1", "--interval", "5s"});
  ASSERT_TRUE(parsed) << parsed.error().Message();
  EXPECT_THAT(std::get<Invocation>(*parsed).warnings, ElementsAre("--idle: is what we do anyway"));
  EXPECT_EQ(At(std::get<Invocation>(*parsed).values, "interval").text(), "5s");
  EXPECT_THAT(ParseCommandLine(program, {"run", "--fly"}).error().Message(),
              HasSubstr("--fly: is for birds; see prog run --help"));
  EXPECT_THAT(ParseCommandLine(program, {"run", "--swim"}).error().Message(),
              HasSubstr("there is no option --swim"));
}

TEST(CommandLine, AProgramMayHaveNoCommands) {
  Program program = SmallProgram();
  program.commands = {{.settings = SmallTable()}};
  program.commands[0].settings[1].required = true;
  const auto parsed = ParseCommandLine(program, {"--interval", "5s"});
  ASSERT_TRUE(parsed) << parsed.error().Message();
  EXPECT_EQ(std::get<Invocation>(*parsed).command, "");
  EXPECT_EQ(At(std::get<Invocation>(*parsed).values, "interval").text(), "5s");
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{}, "--interval DURATION is missing; see prog --help"},
      {{"--interval", "1s", "now"}, "unexpected argument \"now\"; see prog --help"},
      {{"--intervall", "1s"}, "there is no option --intervall (did you mean \"--interval\"?)"},
      {{"--interval"}, "--interval needs a value; see prog --help"},
  };
  for (const auto& [words, says] : cases) {
    const auto refused = ParseCommandLine(program, words);
    ASSERT_FALSE(refused) << says;
    EXPECT_THAT(refused.error().Message(), HasSubstr(says));
  }
  EXPECT_THAT(std::get<Answer>(*ParseCommandLine(program, {"--help"})).text,
              AllOf(HasSubstr("--interval DURATION (required)"), HasSubstr("prog run")));
}

TEST(CommandLine, TextsThatMayBeRepeatedAreNotTakenApart) {
  Program program = SmallProgram();
  program.commands[0].settings.push_back(
      {.key = "match", .kind = SettingKind::kTexts, .value_name = "SELECTOR"});
  const auto parsed =
      ParseCommandLine(program, {"run", "--match", "{a=\"b\", c=\"d\"}", "--match=x"});
  ASSERT_TRUE(parsed) << parsed.error().Message();
  EXPECT_THAT(At(std::get<Invocation>(*parsed).values, "match").items,
              ElementsAre("{a=\"b\", c=\"d\"}", "x"));
}

struct BadLine {
  std::vector<std::string> words;
  const char* says;
};

TEST(CommandLine, EveryErrorNamesTheWordAndWhereHelpIs) {
  const BadLine cases[] = {
      {{}, "give a command: run, check; see prog --help"},
      {{""}, "there is no command \"\""},
      {{"rn"}, "there is no command \"rn\" (did you mean \"run\"?)"},
      {{"bogus"}, "there is no command \"bogus\"; give run, check"},
      {{"--interval", "5s", "run"}, "there is no option --interval before the command"},
      {{"run", "check"}, "both run and check are given"},
      {{"run", "now"}, "unexpected argument \"now\"; see prog run --help"},
      {{"run", ""}, "unexpected argument \"\""},
      {{"run", "-x"}, "there is no option -x"},
      {{"run", "--intervall", "5s"}, "--intervall (did you mean \"--interval\"?); see prog run"},
      {{"run", "--intervall=5s"}, "there is no option --intervall (did you mean"},
      {{"run", "--colector.netdev"}, "(did you mean \"--collector.netdev\"?)"},
      {{"run", "--no-colector.netdev"}, "(did you mean \"--no-collector.netdev\"?)"},
      {{"check", "--interval", "5s"}, "there is no option --interval; see prog check --help"},
      {{"run", "--interval"}, "--interval needs a value; see prog run --help"},
      {{"run", "--interval", "1s", "--interval", "2s"}, "--interval is given more than once"},
      {{"run", "--insecure", "--insecure"}, "--insecure is given more than once"},
      {{"run", "--collector.netdev", "--no-collector.netdev"}, "is given more than once"},
      {{"run", "--no-collector.netdev", "--no-collector.netdev"}, "is given more than once"},
      {{"run", "--procfs", "/a", "--path.procfs", "/b"}, "--procfs is given more than once"},
      {{"run", "--endpoint", "a", "b"}, "unexpected argument \"b\""},
      {{"run", "--", "x"}, "see prog"},
  };
  for (const BadLine& one : cases) {
    const auto parsed = Parse(one.words);
    ASSERT_FALSE(parsed) << one.says;
    EXPECT_EQ(parsed.error().code, ErrorCode::kRefuse);
    EXPECT_THAT(parsed.error().Message(), HasSubstr(one.says));
    EXPECT_THAT(parsed.error().Message(), Not(HasSubstr("\n")));
  }
}

TEST(CommandLine, VersionIsThereForTheProgramAndEachCommand) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--version"}, std::vector<std::string>{"run", "--version"},
        std::vector<std::string>{"check", "--version"}}) {
    const auto parsed = Parse(words);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(std::get<Answer>(*parsed).text, "prog 1.2.3\n");
  }
}

TEST(CommandLine, HelpHasSettingsDefaultsGroupsAndExamples) {
  const auto program = Parse({"--help"});
  ASSERT_TRUE(program);
  EXPECT_THAT(std::get<Answer>(*program).text,
              AllOf(HasSubstr("Does things"), HasSubstr("Runs things"), HasSubstr("prog run")));
  const auto run = Parse({"run", "--help"});
  ASSERT_TRUE(run);
  EXPECT_THAT(std::get<Answer>(*run).text,
              AllOf(HasSubstr("--interval DURATION"), HasSubstr("How often (default: 10s)"),
                    HasSubstr("--procfs,--path.procfs DIR"), HasSubstr("--endpoint URL ..."),
                    HasSubstr("Collectors:"), HasSubstr("prog run --interval 5s"),
                    Not(HasSubstr("--no-collector.netdev"))));
}

}  // namespace
}  // namespace doagent::cli
