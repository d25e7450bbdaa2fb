#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>

#include "spool/inbox.h"
#include "spool/spool.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/spool_tool_support.h"

namespace doagent::test {
namespace {

using spool_tool::ExitStatus;
using ::testing::HasSubstr;
using Json = nlohmann::json;

// A spool of rows and blocks, closed.
std::filesystem::path MakeSpool(const TempDir& dir) {
  const auto path = dir / "spool.db";
  spool::SpoolOptions options = TestSpoolOptions(path);
  options.seal.snapshots = 10;
  const auto spool = *spool::Spool::Open(options);
  for (std::uint64_t tick = 1; tick <= 45; ++tick) {
    EXPECT_TRUE(spool->Append(MakeSnapshot(tick)));
    while (*spool->Maintain(MakeSnapshot(tick).wall, MakeSnapshot(tick).mono)) {
    }
  }
  return path;
}

void Overwrite(const std::filesystem::path& path, std::streamoff at, std::size_t size) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(at);
  file << std::string(size, '\x5a');
}

std::string Csv(const std::filesystem::path& path) {
  const auto run = RunTool({"dump", "--spool", path.string(), "--format", "csv"});
  EXPECT_EQ(run.status, ExitStatus::kDone) << run.err;
  return run.out;
}

TEST(SalvageCommandTest, MakesAGoodSpoolOfAWreck) {
  const TempDir dir;
  const auto path = MakeSpool(dir);
  const std::string before = Csv(path);
  Overwrite(path, 0, 1024);
  ASSERT_EQ(RunTool({"dump", "--spool", path.string()}).status, ExitStatus::kWorld);
  const std::string output = dir / "saved.db";
  const auto run = RunTool({"salvage", "--spool", path.string(), "--output", output});
  EXPECT_EQ(run.status, ExitStatus::kDone) << run.err;
  EXPECT_THAT(run.out, HasSubstr("46 records are in "));
  EXPECT_EQ(Csv(output), before);
  EXPECT_EQ(RunTool({"verify", "--spool", output}).status, ExitStatus::kDone);
  // An agent may go on with it, under a new id.
  spool::SpoolOptions options = TestSpoolOptions(output, 9);
  const auto spool = spool::Spool::Open(options);
  ASSERT_TRUE(spool) << spool.error().Message();
  EXPECT_EQ((*spool)->Claims()->size(), 2U);
}

TEST(SalvageCommandTest, ListsWhatIsLostAndEntersIt) {
  const TempDir dir;
  const auto path = MakeSpool(dir);
  // A row is short: it is in one page, and the pages behind the middle are those of rows and
  // blocks.
  const auto size = static_cast<std::streamoff>(std::filesystem::file_size(path));
  Overwrite(path, size / 2 / 1024 * 1024, static_cast<std::size_t>(size / 4));
  const std::string output = dir / "saved.db";
  const auto run =
      RunTool({"salvage", "--spool", path.string(), "--output", output, "--format", "json"});
  ASSERT_EQ(run.status, ExitStatus::kDone) << run.err;
  const Json told = Json::parse(run.out);
  std::uint64_t lost = 0;
  for (const Json& origin : told["lost"]) lost += origin["records"].get<std::uint64_t>();
  const auto status = RunTool({"status", "--spool", output, "--format", "json"});
  const Json after = Json::parse(status.out);
  for (const Json& origin : after["origins"]) {
    EXPECT_EQ(origin["lost_records"].get<std::uint64_t>(), lost);
    EXPECT_TRUE(origin["missing"].empty());
  }
  EXPECT_EQ(RunTool({"verify", "--spool", output}).status, ExitStatus::kDone);
}

TEST(SalvageCommandTest, WritesOverNothing) {
  const TempDir dir;
  const auto path = MakeSpool(dir);
  std::ofstream(dir / "there.db") << "mine";
  const auto run =
      RunTool({"salvage", "--spool", path.string(), "--output", (dir / "there.db").string()});
  EXPECT_EQ(run.status, ExitStatus::kWorld);
  EXPECT_THAT(run.err, HasSubstr("is there already"));
  const auto none = RunTool(
      {"salvage", "--spool", (dir / "no.db").string(), "--output", (dir / "new.db").string()});
  EXPECT_EQ(none.status, ExitStatus::kWorld);
  EXPECT_THAT(none.err, HasSubstr("there is no such file"));
}

class ForgetTest : public ::testing::Test {
 protected:
  // A receiver's spool with the records of two machines.
  ForgetTest() {
    inbox_ = *spool::Inbox::Open({path_, "test", [] { return 7U; }});
    for (const char* machine : {"one", "two"}) {
      spool::SpoolOptions options = TestSpoolOptions(dir_ / (std::string(machine) + ".db").c_str(),
                                                     static_cast<std::uint64_t>(machine[0]));
      options.host = TestHost(machine);
      options.host.hostname = machine;
      const auto source = *spool::Spool::Open(options);
      for (std::uint64_t tick = 1; tick <= 5; ++tick) {
        EXPECT_TRUE(source->Append(MakeSnapshot(tick)));
      }
      EXPECT_TRUE(inbox_->Register({"agent", false}, source->Claims()->front()));
      const auto pending = *source->NextPending(source->spool_id(), {}, 1 << 20);
      std::vector<ObjectId> keys;
      for (const auto& record : pending.records) {
        if (record.kind == spool::RecordKind::kRow) keys.push_back(record.key);
      }
      EXPECT_TRUE(inbox_->Store({{source->spool_id(), *source->Objects(keys), pending.records, {}}},
                                MakeSnapshot(6).wall));
    }
  }

  std::size_t Lines() const {
    const std::string text = RunTool({"dump", "--spool", path_.string()}).out;
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  Json Status() const {
    return Json::parse(RunTool({"status", "--spool", path_.string(), "--format", "json"}).out);
  }

  const TempDir dir_;
  const std::filesystem::path path_ = dir_ / "inbox.db";
  std::unique_ptr<spool::Inbox> inbox_;
};

TEST_F(ForgetTest, AsksFirst) {
  inbox_.reset();
  const auto run = RunTool({"forget", "--spool", path_.string(), "--host", "one"});
  EXPECT_EQ(run.status, ExitStatus::kNo);
  EXPECT_THAT(run.out, HasSubstr("one  6 records"));
  EXPECT_EQ(Status()["origins"].size(), 2U);
}

TEST_F(ForgetTest, RemovesTheOriginAtOnceWhenNobodyOwnsTheSpool) {
  inbox_.reset();
  ToolOptions yes;
  yes.input = "y";
  const auto run = RunTool({"forget", "--spool", path_.string(), "--host", "one"}, yes);
  EXPECT_EQ(run.status, ExitStatus::kDone) << run.err;
  EXPECT_THAT(run.out, HasSubstr("6 records removed"));
  const Json status = Status();
  ASSERT_EQ(status["origins"].size(), 1U);
  EXPECT_EQ(status["origins"][0]["host"], "two");
  EXPECT_EQ(status["forgotten_records"], 6);
  EXPECT_EQ(RunTool({"verify", "--spool", path_.string()}).status, ExitStatus::kDone);
}

TEST_F(ForgetTest, LeavesItToTheOwnerWhoIsRunning) {
  const auto run = RunTool({"forget", "--spool", path_.string(), "--host", "two", "--yes"});
  EXPECT_EQ(run.status, ExitStatus::kDone) << run.err;
  EXPECT_THAT(run.out, HasSubstr("will be removed by the running owner"));
  EXPECT_EQ(Status()["origins"].size(), 2U);
  for (int step = 0; step < 10; ++step) {
    ASSERT_TRUE(inbox_->Maintain(MakeSnapshot(7).wall, MakeSnapshot(7).mono));
  }
  const Json status = Status();
  ASSERT_EQ(status["origins"].size(), 1U);
  EXPECT_EQ(status["origins"][0]["host"], "one");
  EXPECT_EQ(status["forgotten_records"], 6);
}

TEST_F(ForgetTest, RefusesWhatIsNotThere) {
  const auto host = RunTool({"forget", "--spool", path_.string(), "--host", "three", "--yes"});
  EXPECT_EQ(host.status, ExitStatus::kUsage);
  EXPECT_THAT(host.err, HasSubstr("three"));
  EXPECT_EQ(RunTool({"forget", "--spool", path_.string()}).status, ExitStatus::kUsage);
}

TEST(ForgetAgentTest, AnAgentForgetsAnEarlierIdButNotItself) {
  const TempDir dir;
  const auto path = MakeSpool(dir);
  spool::SpoolOptions options = TestSpoolOptions(path, 5);
  options.host = TestHost("another machine");
  const auto spool = *spool::Spool::Open(options);
  const auto claims = *spool->Claims();
  ASSERT_EQ(claims.size(), 2U);
  const auto own =
      RunTool({"forget", "--spool", path.string(), "--origin", spool->spool_id().Hex(), "--yes"});
  EXPECT_EQ(own.status, ExitStatus::kUsage);
  EXPECT_THAT(own.err, HasSubstr("cannot forget itself"));
  const auto run =
      RunTool({"forget", "--spool", path.string(), "--origin", claims[1].spool_id.Hex(), "--yes"});
  EXPECT_EQ(run.status, ExitStatus::kDone) << run.err;
  ASSERT_TRUE(spool->Append(MakeSnapshot(100)));
  for (int step = 0; step < 40; ++step) {
    ASSERT_TRUE(spool->Maintain(MakeSnapshot(101).wall, MakeSnapshot(101).mono));
    EXPECT_EQ(spool->Claims()->size(), 1U);  // not offered any more, from the first step on
  }
  const auto text = RunTool({"dump", "--spool", path.string()}).out;
  EXPECT_THAT(text, HasSubstr("forgotten by command"));
  EXPECT_THAT(text, Not(HasSubstr(claims[1].spool_id.Hex() + " #")));
}

}  // namespace
}  // namespace doagent::test
