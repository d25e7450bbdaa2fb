#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "spool/spool.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/spool_tool_support.h"
#include "tools/do-agent-spool/verify_view.h"

namespace doagent::spool_tool {
namespace {

using nlohmann::json;
using test::RunTool;
using test::TempDir;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

spool::OriginSummary Example() {
  spool::OriginSummary origin;
  origin.name = "origin 11111111111111111111111111111111";
  origin.spool_id = *SpoolId::FromHex("11111111111111111111111111111111");
  origin.host.hostname = "web-1";
  origin.first_sequence = 5;
  origin.last_sequence = 900;
  origin.rows = 45;
  origin.events = 1;
  origin.blocks = 2;
  origin.block_snapshots = 720;
  origin.unsealed_rows = 40;
  origin.unsealed_from = 861;
  origin.lost_records = 12;
  origin.removed = {{"expired", {5, 20}}, {"thinned", {30, 30}}};
  origin.removed_ranges = 2;
  origin.removed_records = 17;
  origin.explained_records = 3;
  origin.missing = {{40, 41}, {50, 50}};
  origin.missing_ranges = 2;
  origin.missing_records = 3;
  return origin;
}

spool::VerifySummary ExampleSummary() {
  spool::VerifySummary summary;
  summary.spool_id = Example().spool_id;
  summary.origins = 1;
  summary.rows = 45;
  summary.events = 1;
  summary.blocks = 2;
  summary.block_snapshots = 720;
  summary.objects = 12;
  summary.bytes = 123'456;
  return summary;
}

TEST(VerifyViewTest, AnOriginIsABankStatement) {
  EXPECT_EQ(OriginText(Example()),
            "\n"
            "web-1  11111111111111111111111111111111\n"
            "  records       5 to 900: 45 rows, 1 event, 720 snapshots in 2 blocks\n"
            "  unsealed      40 rows, from 861 on\n"
            "  removed       17 records: expired 5-20 thinned 30\n"
            "  explained     3 records not there, and events tell why\n"
            "  lost          12, by the ledger\n"
            "  missing       3: 40-41 50\n");
  spool::OriginSummary unknown;
  unknown.name = "origin number 7";
  EXPECT_EQ(OriginText(unknown),
            "\n"
            "(no hostname)  origin number 7\n"
            "  records       none\n"
            "  unsealed      none\n"
            "  removed       none\n"
            "  lost          0, by the ledger\n"
            "  missing       none\n");
}

TEST(VerifyViewTest, TextCutsLongListsAndCannotDriveATerminal) {
  spool::OriginSummary origin = Example();
  origin.host.hostname = "web\x1b[2J";
  origin.missing = {{1, 1}, {3, 3}, {5, 5}, {7, 7}, {9, 9}, {11, 11}};
  origin.missing_ranges = 200;
  const std::string text = OriginText(origin);
  EXPECT_THAT(text, HasSubstr("missing       3: 1 3 5 7 9 and 195 more ranges\n"));
  EXPECT_THAT(text, HasSubstr("web\\x1b[2J"));
  EXPECT_EQ(FindingText({"record\n1", "bad\x1b"}), "finding: record\\x0a1: bad\\x1b\n");
}

TEST(VerifyViewTest, TheEndSaysWhatToDo) {
  spool::VerifySummary summary = ExampleSummary();
  const std::string counts =
      "\n1 origin, 766 records, 2 blocks, 12 objects stored twice, 123456 bytes checked\n";
  EXPECT_EQ(SummaryText(summary, "spool.db"), counts + "everything is as it was written\n");
  summary.findings = 1;
  EXPECT_EQ(SummaryText(summary, "spool.db"),
            counts +
                "1 finding; to save what is intact: do-agent-spool salvage --spool spool.db "
                "--output NEW\n");
}

TEST(VerifyViewTest, JsonHasEverything) {
  const json origin = json::parse(OriginJson(Example()));
  EXPECT_EQ(origin.at("type"), "origin");
  EXPECT_EQ(origin.at("origin"), "11111111111111111111111111111111");
  EXPECT_EQ(origin.at("block_snapshots"), 720);
  EXPECT_EQ(origin.at("removed").dump(),
            R"([{"kind":"expired","range":[5,20]},{"kind":"thinned","range":[30,30]}])");
  EXPECT_EQ(origin.at("missing").dump(), "[[40,41],[50,50]]");
  spool::VerifySummary summary = ExampleSummary();
  EXPECT_EQ(json::parse(SummaryJson(summary)).at("intact"), true);
  summary.findings = 2;
  summary.receiver = true;
  const json end = json::parse(SummaryJson(summary));
  EXPECT_EQ(end.at("intact"), false);
  EXPECT_EQ(end.at("findings"), 2);
  EXPECT_EQ(end.at("kind"), "receiver");
  EXPECT_EQ(json::parse(FindingJson({"here", "\xff\""})).at("what"), "\xef\xbf\xbd\"");
}

// --- The command on a real spool -----------------------------------------------------------------

class VerifyCommandTest : public ::testing::Test {
 protected:
  VerifyCommandTest() : spool_(test::OpenSpool(file_)) {
    for (std::uint64_t tick = 1; tick <= 5; ++tick) {
      EXPECT_TRUE(spool_->Append(test::MakeSnapshot(tick)));
    }
    id_ = spool_->spool_id().Hex();
  }

  // The record with the sequence 3 says another time than it was written with.
  void Damage() const {
    test::ExecuteSql(file_, "UPDATE records SET time_unix_ns = 0 WHERE id = (1 << 40) + 3");
  }

  static std::vector<json> Lines(const std::string& text) {
    std::vector<json> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
    return lines;
  }

  TempDir folder_;
  const std::string file_ = (folder_ / "spool.db").string();
  std::unique_ptr<spool::Spool> spool_;
  std::string id_;
};

TEST_F(VerifyCommandTest, AllIsWellWhileTheAgentRuns) {
  const auto run = RunTool({"verify", "--spool", file_});
  EXPECT_EQ(run.status, ExitStatus::kDone);
  EXPECT_EQ(run.err, "");
  EXPECT_THAT(run.out, StartsWith(file_ + "\n\nhost-1  " + id_ +
                                  "\n  records       1 to 6: 5 rows, 1 event, 0 snapshots in 0 "
                                  "blocks\n  unsealed      5 rows, from 2 on\n"));
  EXPECT_THAT(run.out, HasSubstr("1 origin, 6 records, 0 blocks, 4 objects stored twice, "));
  EXPECT_THAT(run.out, EndsWith("\neverything is as it was written\n"));
}

TEST_F(VerifyCommandTest, AFindingIsALineAndTheExitStatusIsOne) {
  Damage();
  const auto run = RunTool({"verify", "--spool", file_});
  EXPECT_EQ(run.status, ExitStatus::kNo);
  EXPECT_EQ(run.err, "");
  EXPECT_THAT(run.out, StartsWith(file_ + "\nfinding: origin " + id_ +
                                  ", record 3: its checksum does not fit its content\n\nhost-1 "));
  EXPECT_THAT(run.out, EndsWith("\n1 finding; to save what is intact: do-agent-spool salvage "
                                "--spool " +
                                file_ + " --output NEW\n"));
}

TEST_F(VerifyCommandTest, JsonIsAnObjectALine) {
  auto run = RunTool({"verify", "--spool", file_, "--format", "json"});
  EXPECT_EQ(run.status, ExitStatus::kDone);
  auto lines = Lines(run.out);
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(lines[0].at("type"), "origin");
  EXPECT_EQ(lines[0].at("rows"), 5);
  EXPECT_EQ(lines[1].at("type"), "summary");
  EXPECT_EQ(lines[1].at("intact"), true);

  Damage();
  run = RunTool({"verify", "--spool", file_, "--format", "json"});
  EXPECT_EQ(run.status, ExitStatus::kNo);
  lines = Lines(run.out);
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_EQ(lines[0].at("type"), "finding");
  EXPECT_EQ(lines[0].at("place"), "origin " + id_ + ", record 3");
  EXPECT_EQ(lines[0].at("what"), "its checksum does not fit its content");
  EXPECT_EQ(lines[2].at("findings"), 1);
}

TEST_F(VerifyCommandTest, AFileThatWasCutIsAFinding) {
  spool_.reset();
  std::filesystem::resize_file(file_, 4096);
  const auto run = RunTool({"verify", "--spool", file_});
  EXPECT_EQ(run.status, ExitStatus::kNo);
  EXPECT_THAT(run.out, HasSubstr("finding: " + file_ + ": cannot be read as a database: "));
}

// An agent would set it aside as what is left of a spool.
TEST_F(VerifyCommandTest, AFileOfZerosIsAFinding) {
  spool_.reset();
  const auto bytes = std::filesystem::file_size(file_);
  std::ofstream(file_, std::ios::trunc) << std::string(bytes, '\0');
  const auto run = RunTool({"verify", "--spool", file_});
  EXPECT_EQ(run.status, ExitStatus::kNo);
  EXPECT_THAT(run.out, HasSubstr("cannot be read as a database: it is no database any more"));
}

TEST_F(VerifyCommandTest, ACopyIsVerifiedWhereNothingMayBeWritten) {
  spool_.reset();
  const auto folder = folder_ / "copies";
  std::filesystem::create_directory(folder);
  std::filesystem::copy(file_, folder / "copy.db");
  std::filesystem::permissions(
      folder, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  EXPECT_EQ(RunTool({"verify", "--spool", (folder / "copy.db").string()}).status,
            ExitStatus::kDone);
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all);
}

TEST_F(VerifyCommandTest, ProgressIsForTerminalsAndGoesAway) {
  test::ToolOptions options;
  options.err_is_terminal = true;
  EXPECT_EQ(RunTool({"verify", "--spool", file_}, options).err, "");  // it takes no time
  options.step = std::chrono::milliseconds(400);
  const auto run = RunTool({"verify", "--spool", file_}, options);
  EXPECT_THAT(run.err, HasSubstr("\r\x1b[Kverifying pages of "));
  EXPECT_THAT(run.err, HasSubstr(" MiB checked of a file of 0 MiB"));
  EXPECT_THAT(run.err, EndsWith("\r\x1b[K"));
  EXPECT_THAT(run.err, Not(HasSubstr("\n")));
  options.err_is_terminal = false;
  EXPECT_EQ(RunTool({"verify", "--spool", file_}, options).err, "");
}

}  // namespace
}  // namespace doagent::spool_tool
