#include "tools/cli/settings_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"
#include "tests/tools/setting_support.h"
#include "tools/cli/typed_value.h"

namespace doagent::cli {
namespace {

using test::SmallTable;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

Result<Values> Parse(std::string_view text) {
  return ParseSettings(text, "a.toml", SmallTable());
}

TEST(SettingsFile, GivesValuesWithTheirLines) {
  const auto values = Parse(
      "# comment\n"
      "interval = \"5s\"\n"
      "insecure = true\n"
      "endpoint = [\"grpc://a:1\", \"grpc://b:2\"]\n"
      "token_file = \"\"\n"
      "\n"
      "[collector.netdev]\n"
      "enabled = false\n"
      "device-include = '^eth\\d$'\n");
  ASSERT_TRUE(values) << values.error().Message();
  EXPECT_EQ(values->size(), 6U);
  EXPECT_EQ(At(*values, "interval"), (Value{"interval", {"5s"}, Layer::kFile, "a.toml:2"}));
  EXPECT_EQ(At(*values, "insecure").text(), "true");
  EXPECT_THAT(At(*values, "endpoint").items, ElementsAre("grpc://a:1", "grpc://b:2"));
  EXPECT_THAT(At(*values, "token_file").items, IsEmpty());
  EXPECT_EQ(At(*values, "collector.netdev.enabled").text(), "false");
  EXPECT_EQ(At(*values, "collector.netdev.enabled").origin, "a.toml:8");
  EXPECT_EQ(At(*values, "collector.netdev.device-include").text(), "^eth\\d$");
}

TEST(SettingsFile, TakesDottedKeysAndListsAsText) {
  const auto values =
      Parse("collector.netdev.enabled = false\nendpoint = \"grpc://a:1, grpc://b:2\"\n");
  ASSERT_TRUE(values) << values.error().Message();
  EXPECT_EQ(At(*values, "collector.netdev.enabled").text(), "false");
  EXPECT_THAT(At(*values, "endpoint").items, ElementsAre("grpc://a:1", "grpc://b:2"));
}

TEST(SettingsFile, EmptyIsFine) {
  EXPECT_THAT(Parse("").value(), IsEmpty());
  EXPECT_THAT(Parse("[collector.netdev]\n").value(), IsEmpty());
}

struct BadFile {
  const char* text;
  const char* begins;  // the error
  const char* says;
};

TEST(SettingsFile, EveryErrorNamesFileAndLineAndWhatToWrite) {
  const BadFile cases[] = {
      {"\nintervall = \"5s\"", "a.toml:2: ", "did you mean \"interval\"?"},
      {"bogus = 1", "a.toml:1: ", "there is no setting \"bogus\"; correct or remove it"},
      {"[colector.netdev]\nenabled = true", "a.toml:1: ", "did you mean \"collector\"?"},
      {"[collector.netdv]\nenabled = true", "a.toml:1: ", "did you mean \"collector.netdev\"?"},
      {"[collector.netdev]\ndevice_include = 'x'",
       "a.toml:2: ", "did you mean \"collector.netdev.device-include\"?"},
      {"collect.count = \"3\"", "a.toml:1: ", "there is no setting"},
      {"config = \"b.toml\"", "a.toml:1: ", "there is no setting"},
      {"interval = 5", "a.toml:1: interval: ", "is a number, but must be a duration in quotes"},
      {"\n\ninterval = 07:00:00", "a.toml:3: interval: ", "is a date or time"},
      {"interval = [\"5s\"]", "a.toml:1: interval: ", "is an array"},
      {"interval = {a = 1}", "a.toml:1: interval: ", "is a table"},
      {"[interval]", "a.toml:1: interval: ", "is a table"},
      {"insecure = \"true\"", "a.toml:1: insecure: ", "must be true or false, without quotes"},
      {"insecure = 1", "a.toml:1: insecure: ", "must be true or false"},
      {"token_file = true", "a.toml:1: token_file: ", "must be a string in quotes"},
      {"endpoint = 4317", "a.toml:1: endpoint: ", "must be a string or an array of strings"},
      {"endpoint = [\"grpc://a:1\",\n 4317]", "a.toml:2: endpoint: ", "is a number"},
      {"collector = 3", "a.toml:1: ", "must be a table: [collector]"},
      {"[collector]\nnetdev = true", "a.toml:2: ", "must be a table: [collector.netdev]"},
      {"interval = 5s", "a.toml:1: ", "is not valid TOML"},
      {"interval = \"5s\"\ninterval = \"6s\"", "a.toml:2: ", "is not valid TOML"},
      {"interval", "a.toml:1: ", "write settings as: interval = \"10s\""},
      {"a = \"\xff\"", "a.toml:1: ", "is not valid TOML"},
  };
  for (const BadFile& one : cases) {
    const auto values = Parse(one.text);
    ASSERT_FALSE(values) << one.text;
    EXPECT_EQ(values.error().code, ErrorCode::kRefuse);
    EXPECT_THAT(values.error().Message(), StartsWith(one.begins)) << one.text;
    EXPECT_THAT(values.error().Message(), HasSubstr(one.says)) << one.text;
  }
}

TEST(SettingsFile, DeepNestingIsRefusedAndNotFollowed) {
  EXPECT_FALSE(Parse("endpoint = " + std::string(10'000, '[')));
  std::string deep = "[collector";
  for (int i = 0; i < 10'000; ++i) deep += ".a";
  EXPECT_FALSE(Parse(deep + "]"));
  std::string dotted = "a";
  for (int i = 0; i < 400'000; ++i) dotted += ".a";
  EXPECT_FALSE(Parse(dotted + " = 1"));
  EXPECT_FALSE(Parse("a = {" + dotted + " = 1}"));
}

RC_GTEST_PROP(SettingsFile, AnyTextIsTakenOrRefused, (const std::string& text)) {
  const auto values = Parse("interval = " + text);
  if (!values) RC_ASSERT(values.error().where.rfind("a.toml:", 0) == 0);
}

TEST(SettingsFile, SaysWhyItCannotBeRead) {
  const test::TempDir folder;
  const auto missing = ReadSettingsFile(folder / "missing.toml", SmallTable());
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().Message(), StartsWith((folder / "missing.toml").string()));
  EXPECT_THAT(missing.error().what, HasSubstr("No such file"));
  EXPECT_THAT(missing.error().what, HasSubstr("correct the path"));

  const auto directory = ReadSettingsFile(folder.path(), SmallTable());
  ASSERT_FALSE(directory);
  EXPECT_THAT(directory.error().what, HasSubstr("directory"));
}

TEST(SettingsFile, APipeIsNotWaitedFor) {
  const test::TempDir folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  const auto pipe = ReadSettingsFile(folder / "pipe", SmallTable());
  ASSERT_FALSE(pipe);
  EXPECT_THAT(pipe.error().what, HasSubstr("is not a file"));
}

TEST(SettingsFile, HasASizeLimit) {
  const test::TempDir folder;
  const auto file = folder / "large.toml";
  std::ofstream(file) << std::string(kSettingsFileBytesMax, '\n');
  EXPECT_TRUE(ReadSettingsFile(file, SmallTable()));
  std::ofstream(file, std::ios::app) << '\n';
  const auto large = ReadSettingsFile(file, SmallTable());
  ASSERT_FALSE(large);
  EXPECT_THAT(large.error().what, HasSubstr("larger than 1 MiB"));
}

}  // namespace
}  // namespace doagent::cli
