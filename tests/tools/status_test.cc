#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "spool/spool.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/spool_tool_support.h"
#include "tools/cli/version.h"
#include "tools/do-agent-spool/status_view.h"

namespace doagent::spool_tool {
namespace {

using test::RunTool;
using test::TempDir;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr WallTime kNow = WallTime(std::chrono::seconds(1'700'003'600));

spool::SpoolStatus Example() {
  spool::OriginStatus own;
  own.spool_id = *SpoolId::FromHex("11111111111111111111111111111111");
  own.host = {"web-1", "machine-1", "42", "fra1", "0.1.0"};
  own.first_sequence = 5;
  own.last_sequence = 100;
  own.pending_records = 10;
  own.pending_bytes = 4096;
  own.ledger = {{spool::EventKind::kStart, 3, 0},
                {spool::EventKind::kGap, 2, 3},
                {spool::EventKind::kPark, 1, 2}};
  own.acknowledged_records = 80;
  own.parked_records = 2;
  own.lost_records = 3;
  own.oldest_pending = WallTime(std::chrono::seconds(1'700'000'000));
  own.missing = {{7, 9}, {20, 20}};
  spool::OriginStatus empty;
  empty.spool_id = *SpoolId::FromHex("22222222222222222222222222222222");
  spool::SpoolStatus status;
  status.spool_id = own.spool_id;
  status.origins = {own, empty};
  status.file_bytes = 12'345'678;
  status.series = 526;
  status.bytes_max = 1 << 30;
  status.disk_free_bytes = std::uint64_t{5} << 30;
  status.bytes_per_day = 3 << 20;
  status.time_to_full = std::chrono::hours(24 * 337);
  status.forgotten_records = 7;
  return status;
}

TEST(StatusViewTest, JsonIsTheContractsObject) {
  const auto json = nlohmann::json::parse(StatusJson(Example(), 2));
  EXPECT_EQ(json.at("spool_id"), "11111111111111111111111111111111");
  EXPECT_EQ(json.at("kind"), "agent");
  EXPECT_EQ(json.at("file_bytes"), 12'345'678);
  EXPECT_EQ(json.at("series"), 526);
  EXPECT_EQ(json.at("spool_bytes_max"), 1 << 30);
  EXPECT_EQ(json.at("disk_free_bytes"), std::uint64_t{5} << 30);
  EXPECT_EQ(json.at("bytes_per_day"), 3 << 20);
  EXPECT_EQ(json.at("full_in_seconds"), 337 * 86400);
  EXPECT_EQ(json.at("forgotten_records"), 7);
  const auto& origin = json.at("origins").at(0);
  EXPECT_EQ(origin.at("origin"), "11111111111111111111111111111111");
  EXPECT_EQ(origin.at("host"), "web-1");
  EXPECT_EQ(origin.at("first_sequence"), 5);
  EXPECT_EQ(origin.at("last_sequence"), 100);
  EXPECT_EQ(origin.at("pending_records"), 10);
  EXPECT_EQ(origin.at("acknowledged_records"), 80);
  EXPECT_EQ(origin.at("parked_records"), 2);
  EXPECT_EQ(origin.at("lost_records"), 3);
  EXPECT_EQ(origin.at("pending_bytes"), 4096);
  EXPECT_EQ(origin.at("ledger").at("gap").dump(), R"({"events":2,"records":3})");
  EXPECT_EQ(origin.at("oldest_pending_unix_ms"), 1'700'000'000'000);
  EXPECT_EQ(origin.at("missing").dump(), "[[7,9],[20,20]]");
  const auto& empty = json.at("origins").at(1);
  EXPECT_TRUE(empty.at("oldest_pending_unix_ms").is_null());
  EXPECT_EQ(empty.at("missing").dump(), "[]");
  EXPECT_EQ(json.at("origins").size(), 2U);
}

TEST(StatusViewTest, JsonTakesHostnamesThatAreNoText) {
  spool::SpoolStatus status = Example();
  status.origins[0].host.hostname = "\xff\"";
  const auto json = nlohmann::json::parse(StatusJson(status, -1));
  EXPECT_EQ(json.at("origins").at(0).at("host"), "\xef\xbf\xbd\"");
}

TEST(StatusViewTest, TextIsAScreenForAPerson) {
  EXPECT_EQ(StatusText(Example(), "/var/lib/do-agent/spool.db", kNow),
            "/var/lib/do-agent/spool.db  (an agent's spool)\n"
            "  id            11111111111111111111111111111111\n"
            "  size          11.8 MiB\n"
            "  room          1.0 GiB at most, 5.0 GiB free on the disk, 3.0 MiB a day: full in 337 "
            "days if nothing goes\n"
            "  forgotten     7 records by command\n"
            "  series        526\n"
            "\n"
            "web-1  11111111111111111111111111111111  (written here)\n"
            "  droplet       42\n"
            "  region        fra1\n"
            "  agent         0.1.0\n"
            "  records       5 to 100\n"
            "  pending       10 (4.0 KiB), the oldest from 2023-11-14T22:13:20.000Z (1h old)\n"
            "  acknowledged  80\n"
            "  parked        2  (do-agent-spool parked lists them)\n"
            "  lost          3\n"
            "  ledger        gap 3 in 2 events, park 2 in 1 event\n"
            "  missing       4: 7-9 20\n"
            "\n"
            "(no hostname)  22222222222222222222222222222222\n"
            "  records       none\n"
            "  pending       0\n"
            "  acknowledged  0\n"
            "  parked        0\n"
            "  lost          0\n"
            "  missing       none\n");
}

TEST(StatusViewTest, ASalvagedFileHasNoIdYet) {
  spool::SpoolStatus status;
  EXPECT_THAT(StatusText(status, "new.db", kNow),
              HasSubstr("id            none before an agent goes on with it\n"));
  EXPECT_TRUE(nlohmann::json::parse(StatusJson(status, -1)).at("spool_id").is_null());
}

TEST(StatusViewTest, TextCutsLongListsAndCannotDriveATerminal) {
  spool::SpoolStatus status = Example();
  status.receiver = true;
  status.file_bytes = 1023;
  status.origins.resize(1);
  status.origins[0].host.hostname = "web\x1b[2J";
  status.origins[0].missing = {{1, 1}, {3, 3}, {5, 5}, {7, 7}, {9, 9}, {11, 12}, {14, 14}};
  status.origins[0].oldest_pending = kNow + std::chrono::minutes(2);
  const std::string text = StatusText(status, "spool.db", kNow);
  EXPECT_THAT(text, HasSubstr("missing       8: 1 3 5 7 9 and 2 more ranges\n"));
  EXPECT_THAT(text, HasSubstr("web\\x1b[2J"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("(a receiver's spool)"));
  EXPECT_THAT(text, Not(HasSubstr("written here")));
  EXPECT_THAT(text, HasSubstr("size          1023 B\n"));
  EXPECT_THAT(text, HasSubstr("(2m in the future)"));
}

TEST(StatusViewTest, ALineSumsUpAllOrigins) {
  spool::SpoolStatus status = Example();
  status.origins[1] = status.origins[0];
  status.origins[1].oldest_pending = *status.origins[0].oldest_pending - std::chrono::seconds(1);
  EXPECT_EQ(StatusLine(status, kNow),
            "2023-11-14T23:13:20.000Z origins=2 pending=20 acknowledged=160 parked=4 lost=6 "
            "file_bytes=12345678 oldest_pending=2023-11-14T22:13:19.000Z\n");
}

// --- The command on a real spool -----------------------------------------------------------------

class StatusCommandTest : public ::testing::Test {
 protected:
  StatusCommandTest() : spool_(test::OpenSpool(file_)) {
    for (std::uint64_t tick = 1; tick <= 5; ++tick) {
      EXPECT_TRUE(spool_->Append(test::MakeSnapshot(tick)));
    }
  }

  TempDir folder_;
  const std::string file_ = (folder_ / "spool.db").string();
  std::unique_ptr<spool::Spool> spool_;
};

TEST_F(StatusCommandTest, JsonOfALiveSpool) {
  const ReceiverId receiver = *ReceiverId::FromHex("99999999999999999999999999999999");
  spool_->Acknowledge(spool_->spool_id(), receiver, spool::RangeSet({{1, 3}}));
  ASSERT_TRUE(
      spool_->Park(spool_->spool_id(), spool::RangeSet({{4, 4}}), "too odd", kNow, MonoTime()));
  spool::Event stop;
  stop.kind = spool::EventKind::kStop;
  stop.wall = kNow;
  ASSERT_TRUE(spool_->Append(stop));  // acknowledgements are written with it

  const auto run = RunTool({"status", "--spool", file_, "--format", "json"});
  EXPECT_EQ(run.status, ExitStatus::kDone);
  EXPECT_EQ(run.err, "");
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json.at("spool_id"), spool_->spool_id().Hex());
  EXPECT_EQ(json.at("series"), test::MakeSnapshot(1).sections[0].schema->size() +
                                   test::MakeSnapshot(1).sections[1].schema->size());
  EXPECT_GT(json.at("file_bytes"), 0);
  const auto& origin = json.at("origins").at(0);
  // The start event, five snapshots, the park event, the stop event.
  EXPECT_EQ(origin.at("first_sequence"), 1);
  EXPECT_EQ(origin.at("last_sequence"), 8);
  EXPECT_EQ(origin.at("acknowledged_records"), 3);
  EXPECT_EQ(origin.at("parked_records"), 1);
  EXPECT_EQ(origin.at("pending_records"), 4);
  EXPECT_EQ(origin.at("lost_records"), 0);
  EXPECT_EQ(origin.at("missing").size(), 0U);
  EXPECT_EQ(origin.at("oldest_pending_unix_ms"), 1'700'000'004'000);
}

TEST_F(StatusCommandTest, TextWhileTheAgentRuns) {
  const auto run = RunTool({"status", "--spool", file_});
  EXPECT_EQ(run.status, ExitStatus::kDone);
  EXPECT_THAT(run.out, HasSubstr("host-1  " + spool_->spool_id().Hex() + "  (written here)\n"));
  EXPECT_THAT(run.out, HasSubstr("records       1 to 6\n"));
}

TEST_F(StatusCommandTest, AWatchPrintsALineEachTimeUntilItIsStopped) {
  int asked = 0;
  test::ToolOptions options;
  options.stop_asked = [&](std::chrono::milliseconds wait) {
    EXPECT_EQ(wait, std::chrono::milliseconds(250));
    EXPECT_TRUE(spool_->Append(test::MakeSnapshot(10)));
    return ++asked == 3;
  };
  const auto run = RunTool({"status", "--spool", file_, "--watch", "--interval", "250ms"}, options);
  EXPECT_EQ(run.status, ExitStatus::kDone);
  EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), 3);
  EXPECT_THAT(run.out, HasSubstr(" pending=6 "));
  EXPECT_THAT(run.out, HasSubstr(" pending=8 "));
  EXPECT_THAT(run.out, Not(HasSubstr("\x1b")));
}

TEST_F(StatusCommandTest, AWatchOnATerminalRedrawsTheScreen) {
  test::ToolOptions options;
  options.out_is_terminal = true;
  options.stop_asked = [](std::chrono::milliseconds) { return true; };
  const auto run = RunTool({"status", "--spool", file_, "--watch"}, options);
  EXPECT_THAT(run.out, StartsWith("\x1b[H\x1b[2J"));
  EXPECT_THAT(run.out, EndsWith("Ctrl-C ends this.\n"));
}

TEST_F(StatusCommandTest, AWatchInJsonIsAnObjectALine) {
  int asked = 0;
  test::ToolOptions options;
  options.stop_asked = [&](std::chrono::milliseconds) { return ++asked == 2; };
  const auto run = RunTool({"status", "--spool", file_, "--watch", "--format", "json"}, options);
  EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), 2);
  EXPECT_TRUE(nlohmann::json::accept(run.out.substr(0, run.out.find('\n'))));
}

TEST_F(StatusCommandTest, ParkedRecordsAreListedAndPutBack) {
  EXPECT_EQ(RunTool({"parked", "--spool", file_}).out, "no record is parked\n");
  ASSERT_TRUE(spool_->Park(spool_->spool_id(), spool::RangeSet({{3, 3}}), "label\ntoo long", kNow,
                           MonoTime()));
  EXPECT_EQ(RunTool({"parked", "--spool", file_}).out,
            "2023-11-14T23:13:20.000Z " + spool_->spool_id().Hex() + " #3 label\\x0atoo long\n");
  const auto json =
      nlohmann::json::parse(RunTool({"parked", "--spool", file_, "--format", "json"}).out);
  EXPECT_EQ(json.at("origin"), spool_->spool_id().Hex());
  EXPECT_EQ(json.at("sequence"), 3);
  EXPECT_EQ(json.at("reason"), "label\ntoo long");
  EXPECT_EQ(json.at("parked_at_unix_ms"), 1'700'003'600'000);

  const auto queued = RunTool({"parked", "--spool", file_, "--retry"});
  EXPECT_EQ(queued.out, "1 record will be put back by the running agent with its next record\n");
  ASSERT_TRUE(spool_->Append(test::MakeSnapshot(11)));
  EXPECT_EQ(RunTool({"parked", "--spool", file_}).out, "no record is parked\n");

  ASSERT_TRUE(
      spool_->Park(spool_->spool_id(), spool::RangeSet({{3, 3}}), "again", kNow, MonoTime()));
  spool_.reset();
  EXPECT_EQ(RunTool({"parked", "--spool", file_, "--retry"}).out,
            "1 record put back; the agent will offer them when it runs\n");
  EXPECT_EQ(RunTool({"parked", "--spool", file_, "--retry"}).out, "no record is parked\n");
}

// --- What is no spool, and what is no option -----------------------------------------------------

class BadSpoolTest : public ::testing::TestWithParam<const char*> {};

TEST_P(BadSpoolTest, IsOneLineThatNamesTheFile) {
  const TempDir folder;
  const std::string file = (folder / "spool.db").string();
  test::MakeBadSpool(GetParam(), file);
  const std::vector<std::vector<std::string>> commands = {
      {"status"}, {"dump"}, {"verify"}, {"parked"}, {"parked", "--retry"}};
  for (const auto& command : commands) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--spool", file});
    const auto run = RunTool(arguments);
    EXPECT_EQ(run.status, ExitStatus::kWorld) << GetParam();
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, StartsWith("do-agent-spool: "));
    EXPECT_THAT(run.err, HasSubstr(file));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }
}

INSTANTIATE_TEST_SUITE_P(, BadSpoolTest,
                         ::testing::Values("missing", "empty", "directory", "fifo", "text",
                                           "other database", "newer version"),
                         [](const auto& one) {
                           std::string name = one.param;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

struct UsageCase {
  std::vector<std::string> arguments;
  std::string error;
};

TEST(UsageTest, ErrorsNameOptionValueAndRemedy) {
  const std::vector<UsageCase> cases = {
      {{},
       "give a command: status, dump, verify, salvage, forget, parked; see do-agent-spool --help"},
      {{"stauts"}, "there is no command \"stauts\" (did you mean \"status\"?)"},
      {{"--frob"}, "there is no option --frob before the command"},
      {{"--spool", "f", "status"}, "there is no option --spool before the command"},
      {{"status"}, "--spool FILE is missing; see do-agent-spool status --help"},
      {{"status", "f"}, "unexpected argument \"f\""},
      {{"status", "--spol", "f"}, "there is no option --spol (did you mean \"--spool\"?)"},
      {{"status", "--spool"}, "--spool needs a value"},
      {{"status", "--spool", ""}, "--spool: is empty"},
      {{"status", "--spool", "f", "--frob"}, "there is no option --frob"},
      {{"status", "--spool", "f", "--frob"}, "see do-agent-spool status --help"},
      {{"status", "--spool", "f", "--format", "csv"},
       "--format: \"csv\" is not known; choose text or json"},
      {{"status", "--spool", "f", "--interval", "soon"}, "--interval"},
      {{"status", "--spool", "f", "--interval", "1ms"}, "--interval: \"1ms\" is out of range"},
      {{"dump", "--spool", "f", "--format", "xml"}, "openmetrics"},
      {{"dump", "--spool", "f", "--from", "yesterday"}, "--from: "},
      {{"dump", "--spool", "f", "--to", "tomorrow"}, "--to: "},
      {{"dump", "--spool", "f", "--from", "-1h", "--to", "-2h"}, "later than --to -2h; swap them"},
      {{"dump", "--spool", "f", "--match", "m{"}, "--match: selector 'm{': character 3"},
      {{"dump", "--spool", "f", "--state", "local"}, "--state: \"local\" is not known"},
      {{"dump", "--spool", "f", "--follow", "--format", "openmetrics"}, "--follow: "},
      {{"dump", "--spool", "f", "--follow", "--to", "-1h"}, "--follow: "},
      {{"parked", "--spool", "f", "--format", "csv"}, "--format: \"csv\" is not known"},
      {{"dump", "--spool", "f", "--from", "-1h", "--from", "-2h"},
       "--from is given more than once"},
      {{"salvage", "--spool", "f"}, "--output FILE is missing"},
      {{"forget", "--spool", "f"}, "give --origin or --host"},
      {{"forget", "--spool", "f", "--origin", "1234", "--host", "h"}, "not both"},
      {{"verify", "--spool", "f", "--format", "csv"}, "--format: \"csv\" is not known"},
  };
  for (const UsageCase& one : cases) {
    const auto run = RunTool(one.arguments);
    EXPECT_EQ(run.status, ExitStatus::kUsage) << one.error;
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, StartsWith("do-agent-spool: "));
    EXPECT_THAT(run.err, HasSubstr(one.error));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }
}

TEST(UsageTest, HelpAndVersionAreNoErrors) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"},
                                                    {"status", "--help"},
                                                    {"dump", "--help"},
                                                    {"verify", "--help"},
                                                    {"parked", "--help"}}) {
    const auto run = RunTool(arguments);
    EXPECT_EQ(run.status, ExitStatus::kDone);
    EXPECT_EQ(run.err, "");
    EXPECT_THAT(run.out, HasSubstr("Examples:\n  do-agent-spool "));
  }
  EXPECT_EQ(RunTool({"--version"}).out, std::string("do-agent-spool ") + cli::kVersion + "\n");
}

// The examples in the help must be ones that parse: each is run, and may fail only for want of the
// file that it names.
TEST(UsageTest, TheExamplesAreRight) {
  std::size_t examples = 0;
  for (const char* command : {"status", "dump", "verify", "parked"}) {
    const std::string help = RunTool({command, "--help"}).out;
    for (const std::vector<std::string>& words : test::ExamplesIn(help)) {
      ++examples;
      EXPECT_EQ(RunTool(words).status, ExitStatus::kWorld) << ::testing::PrintToString(words);
    }
  }
  EXPECT_GE(examples, 12U);
}

}  // namespace
}  // namespace doagent::spool_tool
