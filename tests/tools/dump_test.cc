#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "spool/inbox.h"
#include "spool/spool.h"
#include "tests/support/paths.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/run_command.h"
#include "tests/tools/spool_tool_support.h"

namespace doagent::spool_tool {
namespace {

using test::RunTool;
using test::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Contents(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

long CountLines(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

// A spool with a start event and ten snapshots, a second apart, from 1,700,000,001 on.
class DumpTest : public ::testing::Test {
 protected:
  static constexpr int kTicks = 10;

  DumpTest() : spool_(test::OpenSpool(file_)) {
    for (std::uint64_t tick = 1; tick <= kTicks; ++tick) {
      EXPECT_TRUE(spool_->Append(test::MakeSnapshot(tick)));
    }
  }

  test::ToolRun Dump(std::vector<std::string> arguments, const test::ToolOptions& options = {}) {
    arguments.insert(arguments.begin(), {"dump", "--spool", file_});
    return RunTool(arguments, options);
  }

  // The sequences that are dumped, in their order.
  std::vector<std::uint64_t> Sequences(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--format", "json"});
    const auto run = Dump(arguments);
    EXPECT_EQ(run.status, ExitStatus::kDone) << run.err;
    std::vector<std::uint64_t> sequences;
    std::istringstream lines(run.out);
    for (std::string line; std::getline(lines, line);) {
      sequences.push_back(nlohmann::json::parse(line).at("sequence").get<std::uint64_t>());
    }
    return sequences;
  }

  TempDir folder_;
  const std::string file_ = (folder_ / "spool.db").string();
  std::unique_ptr<spool::Spool> spool_;
};

TEST_F(DumpTest, ShowsEveryRecordInOrder) {
  EXPECT_THAT(Sequences({}), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  const auto text = Dump({});
  EXPECT_EQ(text.err, "");
  EXPECT_THAT(text.out,
              StartsWith("2023-11-14T22:13:20.000Z host-1 " +
                         spool_->spool_id().Hex().substr(0, 8) + " #1 pending event start"));
  EXPECT_THAT(text.out, HasSubstr("\n  test_first_ratio 0.1\n"));
}

TEST_F(DumpTest, SelectsByTime) {
  EXPECT_THAT(Sequences({"--from", "1700000008"}), ElementsAre(9, 10, 11));
  EXPECT_THAT(Sequences({"--to", "1700000002"}), ElementsAre(1, 2));
  EXPECT_THAT(Sequences({"--from", "2023-11-14T22:13:23Z", "--to", "2023-11-14T22:13:25Z"}),
              ElementsAre(4, 5));
  EXPECT_THAT(Sequences({"--from", "-59m52s"}), ElementsAre(9, 10, 11)) << "an age before now";
  EXPECT_THAT(Sequences({"--from", "1700000003", "--to", "1700000003"}), ElementsAre());
}

TEST_F(DumpTest, SelectsByState) {
  const ReceiverId receiver = *ReceiverId::FromHex("99999999999999999999999999999999");
  spool_->Acknowledge(spool_->spool_id(), receiver, spool::RangeSet({{1, 4}}));
  ASSERT_TRUE(
      spool_->Park(spool_->spool_id(), spool::RangeSet({{6, 6}}), "odd", WallTime(), MonoTime()));
  spool::Event stop;
  stop.kind = spool::EventKind::kStop;
  ASSERT_TRUE(spool_->Append(stop));  // acknowledgements are written with it
  EXPECT_THAT(Sequences({"--state", "acknowledged"}), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Sequences({"--state", "parked"}), ElementsAre(6));
  EXPECT_THAT(Sequences({"--state", "pending"}), ElementsAre(5, 7, 8, 9, 10, 11, 12, 13));
}

TEST_F(DumpTest, SelectsSeries) {
  const auto one = Dump({"--match", "test_first_gauge{device=~\"d[01]\"}", "--format", "csv"});
  EXPECT_EQ(CountLines(one.out), 1 + 2 * kTicks);
  const auto two = Dump({"--match", "test_first_ratio", "--match", "test_second_ratio", "--format",
                         "csv", "--from", "1700000010"});
  EXPECT_EQ(CountLines(two.out), 3);
  EXPECT_THAT(two.out, HasSubstr(",test_first_ratio,,1\n"));
  EXPECT_THAT(two.out, HasSubstr(",test_second_ratio,,1\n"));
  EXPECT_EQ(Dump({"--match", "no_such_metric"}).out, "");
}

TEST_F(DumpTest, SelectsAnOriginByTheBeginningOfItsId) {
  const std::string id = spool_->spool_id().Hex();
  EXPECT_EQ(Sequences({"--origin", id}).size(), 11U);
  EXPECT_EQ(Sequences({"--origin", id.substr(0, 4)}).size(), 11U);
  std::string upper = id.substr(0, 8);
  std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
  EXPECT_EQ(Sequences({"--origin", upper}).size(), 11U);
  for (const std::string& wrong : {std::string("no hex"), id.substr(0, 3)}) {
    const auto run = Dump({"--origin", wrong});
    EXPECT_EQ(run.status, ExitStatus::kUsage);
    EXPECT_THAT(run.err, HasSubstr("--origin " + wrong + ": not the beginning of an origin's id"));
  }
  const std::string other = id[0] == '0' ? "1111" : "0000";
  const auto unknown = Dump({"--origin", other});
  EXPECT_EQ(unknown.status, ExitStatus::kUsage);
  EXPECT_THAT(unknown.err, HasSubstr("holds " + id + " (host-1)"));
}

TEST_F(DumpTest, SelectsAHost) {
  EXPECT_EQ(Sequences({"--host", "host-1"}).size(), 11U);
  const auto unknown = Dump({"--host", "host-2"});
  EXPECT_EQ(unknown.status, ExitStatus::kUsage);
  EXPECT_THAT(unknown.err, HasSubstr("has those of host-1"));
}

TEST_F(DumpTest, CsvHasALineASample) {
  const auto run = Dump({"--format", "csv"});
  const std::size_t series = test::MakeSnapshot(1).sections[0].schema->size() +
                             test::MakeSnapshot(1).sections[1].schema->size();
  EXPECT_EQ(CountLines(run.out), static_cast<long>(1 + kTicks * series));
  EXPECT_THAT(run.out,
              StartsWith("origin,sequence,time,metric,labels,value\n" + spool_->spool_id().Hex() +
                         ",2,2023-11-14T22:13:21.000Z,test_first_gauge,"
                         "\"device=\"\"d0\"\"\","));
}

TEST_F(DumpTest, OpenMetricsBecomesBlocksOfPrometheus) {
  const std::string file = (folder_ / "history.om").string();
  const auto run = Dump({"--format", "openmetrics", "--output", file});
  ASSERT_EQ(run.status, ExitStatus::kDone) << run.err;
  EXPECT_EQ(run.out, "");
  const std::string text = Contents(file);
  EXPECT_THAT(text, HasSubstr("# TYPE test_first counter\n"));
  EXPECT_THAT(text, HasSubstr("test_first_total{instance=\"host-1\"} 0.07 1700000001.000\n"));
  EXPECT_THAT(text, ::testing::EndsWith("# EOF\n"));
  if (!test::HavePromtool()) GTEST_SKIP() << test::kNoPromtool;
  const auto made = test::RunCommand("promtool tsdb create-blocks-from openmetrics " + file + " " +
                                     (folder_ / "data").string());
  EXPECT_EQ(made.status, 0) << made.output;
}

TEST_F(DumpTest, OpenMetricsKeepsHostsOfOneNameApart) {
  const std::filesystem::path path = spool_->path();
  spool_.reset();
  spool::SpoolOptions options = test::TestSpoolOptions(path, 2);
  options.host = test::TestHost("machine-2");
  const auto clone = spool::Spool::Open(options);
  ASSERT_TRUE(clone);
  ASSERT_TRUE((*clone)->Append(test::MakeSnapshot(1)));
  const auto run = Dump({"--format", "openmetrics", "--match", "test_first_total"});
  EXPECT_THAT(run.out, HasSubstr("{instance=\"host-1/machine-1\"} 0.07 1700000001.000\n"));
  EXPECT_THAT(run.out, HasSubstr("{instance=\"host-1/machine-2\"} 0.07 1700000001.000\n"));
  EXPECT_THAT(run.err, ::testing::IsEmpty());
}

TEST_F(DumpTest, OpenMetricsSaysWhatItLeftOut) {
  ASSERT_TRUE(spool_->Append(test::MakeSnapshot(kTicks)));  // the same time once more
  const auto run = Dump({"--format", "openmetrics", "--match", "test_first_ratio"});
  EXPECT_EQ(run.status, ExitStatus::kDone);
  EXPECT_THAT(run.err, HasSubstr("1 samples were left out"));
  EXPECT_EQ(CountLines(run.out), 3 + kTicks);
}

TEST_F(DumpTest, ADamagedRecordIsNamedAndPassedOver) {
  spool_.reset();
  test::ExecuteSql(file_,
                   "UPDATE records SET payload = zeroblob(length(payload)) "
                   "WHERE id = (SELECT min(id) + 4 FROM records)");
  for (const char* format : {"json", "openmetrics"}) {
    const auto run = Dump({"--format", format});
    EXPECT_EQ(run.status, ExitStatus::kNo);
    EXPECT_THAT(run.err, HasSubstr("record 5"));
    EXPECT_THAT(run.err, HasSubstr("1 damaged record was left out"));
    EXPECT_EQ(CountLines(run.err), 2) << run.err;
    EXPECT_THAT(run.out, Not(HasSubstr("\"sequence\":5,")));
    EXPECT_THAT(run.out, Not(HasSubstr(" 1700000004.000")));
    EXPECT_NE(run.out, "");
  }
}

TEST_F(DumpTest, FollowShowsWhatIsAppendedUntilItIsStopped) {
  int waits = 0;
  test::ToolOptions options;
  options.stop_asked = [&](std::chrono::milliseconds) {
    if (++waits <= 3) {
      EXPECT_TRUE(spool_->Append(test::MakeSnapshot(100)));
    }
    return waits == 4;
  };
  const auto run = Dump({"--follow", "--format", "json", "--from", "1700000009"}, options);
  EXPECT_EQ(run.status, ExitStatus::kDone);
  EXPECT_EQ(CountLines(run.out), 2 + 3);
  EXPECT_THAT(run.out, HasSubstr("\"sequence\":14,"));
}

TEST_F(DumpTest, FollowGoesOnWithTheSpoolThatTakesThePlace) {
  int waits = 0;
  std::unique_ptr<spool::Spool> next;
  test::ToolOptions options;
  options.stop_asked = [&](std::chrono::milliseconds) {
    if (++waits == 1) {  // as the agent sets a damaged spool aside
      EXPECT_TRUE(spool_->Append(test::MakeSnapshot(100)));
      spool_.reset();
      for (const char* suffix : {"", "-wal", "-shm"}) {
        std::error_code none;
        std::filesystem::rename(file_ + suffix, file_ + suffix + ".damaged", none);
      }
    } else if (waits == 2) {
      next = test::OpenSpool(file_, 2);
      EXPECT_TRUE(next->Append(test::MakeSnapshot(200)));
    }
    return waits == 4;
  };
  const auto run = Dump({"--follow", "--format", "json"}, options);
  EXPECT_EQ(run.status, ExitStatus::kDone);
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(CountLines(run.out), 11 + 1 + 2);
  EXPECT_THAT(run.out, HasSubstr("{\"origin\":\"" + next->spool_id().Hex() +
                                 "\",\"host\":\"host-1\",\"sequence\":2,"));
  EXPECT_THAT(run.err, HasSubstr("another spool has taken its place"));
}

TEST_F(DumpTest, WritesIntoAFile) {
  const std::string file = (folder_ / "out.csv").string();
  std::ofstream(file) << "what was there before, and is longer than nothing";
  const auto run = Dump({"--format", "csv", "--match", "test_first_ratio", "--output", file});
  EXPECT_EQ(run.status, ExitStatus::kDone) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(Contents(file), Dump({"--format", "csv", "--match", "test_first_ratio"}).out);
}

TEST_F(DumpTest, DoesNotOverwriteTheSpool) {
  std::filesystem::create_symlink(file_, folder_ / "link");
  const std::string before = Contents(file_);
  for (const std::string& target :
       {file_, file_ + "-wal", file_ + ".lock", (folder_ / "link").string()}) {
    const auto run = Dump({"--output", target});
    EXPECT_EQ(run.status, ExitStatus::kUsage) << target;
    EXPECT_THAT(run.err, HasSubstr("--output " + target));
  }
  EXPECT_EQ(Contents(file_), before);
}

TEST_F(DumpTest, SaysWhenTheOutputCannotBeWritten) {
  const auto nowhere = Dump({"--output", (folder_ / "no/such/folder").string()});
  EXPECT_EQ(nowhere.status, ExitStatus::kWorld);
  EXPECT_THAT(nowhere.err, HasSubstr("no/such/folder"));
  for (const char* format : {"text", "openmetrics"}) {
    const auto full = Dump({"--output", "/dev/full", "--format", format});
    EXPECT_EQ(full.status, ExitStatus::kWorld);
    EXPECT_THAT(full.err, HasSubstr("/dev/full: cannot write: No space left on device"));
  }
}

TEST_F(DumpTest, ShowsTheHostsOfAReceiversSpool) {
  const std::string file = (folder_ / "receiver.db").string();
  spool::InboxOptions options{file, "test", [n = std::uint64_t{7}]() mutable { return n += 99; }};
  auto inbox = spool::Inbox::Open(options);
  ASSERT_TRUE(inbox) << inbox.error().Message();
  const auto claims = spool_->Claims();
  ASSERT_TRUE(claims);
  ASSERT_TRUE((*inbox)->Register({"p", false}, claims->front()));
  const auto pending = spool_->NextPending(spool_->spool_id(), {}, 1 << 20);
  ASSERT_TRUE(pending);
  std::vector<ObjectId> keys;
  for (const auto& record : pending->records) {
    if (record.kind == spool::RecordKind::kRow) keys.push_back(record.key);
  }
  const auto objects = spool_->Objects(keys);
  ASSERT_TRUE(objects);
  const auto outcome =
      (*inbox)->Store({{spool_->spool_id(), *objects, pending->records, {}}}, WallTime());
  ASSERT_TRUE(outcome);
  ASSERT_TRUE(outcome->front().refused.empty());

  const auto run = RunTool({"dump", "--spool", file, "--host", "host-1", "--format", "json"});
  EXPECT_EQ(run.status, ExitStatus::kDone) << run.err;
  EXPECT_EQ(CountLines(run.out), 11);
  EXPECT_THAT(run.out, HasSubstr("\"host\":\"host-1\",\"sequence\":5,"));
  EXPECT_THAT(run.out, HasSubstr("\"state\":\"local\""));
  EXPECT_THAT(RunTool({"status", "--spool", file}).out, HasSubstr("(a receiver's spool)"));
}

// --- The program itself --------------------------------------------------------------------------

class DumpProgramTest : public DumpTest {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(program_)) GTEST_SKIP() << program_ << " is not built";
  }

  const std::string program_ = (test::ProgramDir() / "do-agent-spool").string();
};

// As with `dump | head` once head has what it wants.
TEST_F(DumpProgramTest, AReaderThatWentAwayIsNoError) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  constexpr int kShellDescriptor = 9;  // a shell redirects to one digit
  ASSERT_EQ(::dup2(ends[1], kShellDescriptor), kShellDescriptor);
  for (const char* format : {"text", "openmetrics"}) {
    const auto run = test::RunCommand(program_ + " dump --spool " + file_ + " --format " + format +
                                      " >&9; echo status=$?");
    EXPECT_EQ(run.output, "status=0\n");
  }
  ::close(kShellDescriptor);
  ::close(ends[1]);
}

TEST_F(DumpProgramTest, FollowEndsCleanlyOnASignal) {
  // The shell waits for the last record of the history, not for some time, before it sends the
  // signal.
  const auto run = test::RunCommand(
      program_ + " dump --follow --format json --spool " + file_ + " >" + file_ +
      ".out & pid=$!; " + "until grep -q '\"sequence\":11,' " + file_ +
      ".out; do kill -0 $pid || break; done; " + "kill -TERM $pid; wait $pid; echo status=$?");
  EXPECT_THAT(run.output, HasSubstr("status=0"));
  EXPECT_EQ(CountLines(Contents(file_ + ".out")), 11);
}

}  // namespace
}  // namespace doagent::spool_tool
