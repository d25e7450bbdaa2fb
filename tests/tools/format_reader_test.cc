// docs/spool-format.md is enough to read a spool: tests/format_reader, which was written from it
// alone, reads the same as `do-agent-spool dump`, sample by sample.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "spool/inbox.h"
#include "spool/spool.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/run_command.h"
#include "tests/tools/spool_tool_support.h"

namespace doagent::spool_tool {
namespace {

using spool::Family;
using spool::Label;
using spool::MetricType;
using spool::ValueKind;
using ::testing::HasSubstr;

// --- What is recorded ----------------------------------------------------------------------------

using Sample = std::optional<std::uint64_t>;  // nothing: absent

// A series with its samples tick by tick.
struct Column {
  std::string name;
  std::vector<Label> labels;
  spool::Representation representation;
  std::function<Sample(std::uint64_t tick)> at;
};

constexpr spool::Representation kDouble = {ValueKind::kDouble, 1, 1};

std::uint64_t Noise(std::uint64_t tick) {
  return std::mt19937_64(tick)();
}

std::uint64_t Tenths(std::uint64_t tick) {
  return spool::BitsOf(0.1 * static_cast<double>(tick));
}

std::uint64_t SpecialDouble(std::uint64_t tick) {
  using Limits = std::numeric_limits<double>;
  const std::vector<double> numbers = {Limits::quiet_NaN(),
                                       Limits::infinity(),
                                       -Limits::infinity(),
                                       -0.0,
                                       Limits::denorm_min(),
                                       Limits::max(),
                                       0.1 + 0.2,
                                       1e22,
                                       1.5,
                                       -1e-7};
  return tick % 11 == 0 ? 0xFFF8000000000123U  // a NaN with a payload
                        : spool::BitsOf(numbers[tick % numbers.size()]);
}

// Values made so that each coding is the shortest for one of them, at the edges of what 64 bits
// hold, and of scales that need rounding.
std::vector<Column> Steady() {
  return {
      {"test_constant", {}, {}, [](auto) { return 5; }},
      {"test_seconds_total", {}, {ValueKind::kUnsigned, 1, 100}, [](auto t) { return 70 + 7 * t; }},
      {"test_bytes", {}, {ValueKind::kSigned, 1024, 1}, [](auto t) { return Noise(t) % 99999; }},
      {"test_falling",
       {},
       {ValueKind::kSigned, 1, 1000},
       [](auto t) { return 10'000 - t * t * 1000 + Noise(t) % 16; }},
      {"test_steps_total", {}, {ValueKind::kUnsigned, 1, 1}, [](auto t) { return t / 17 * 900; }},
      {"test_huge", {}, {ValueKind::kUnsigned, 1, 1}, [](auto t) { return ~t * 3; }},
      {"test_wraps", {}, {ValueKind::kUnsigned, 1, 3}, [](auto t) { return t * 11 - 600; }},
      {"test_lowest", {}, {}, [](auto t) { return (std::uint64_t{1} << 63) + t / 9; }},
      {"test_random", {}, {ValueKind::kUnsigned, 3, 7}, Noise},
      {"test_beyond_64_bits", {}, {ValueKind::kUnsigned, 4096, 1}, Noise},
      {"test_signed_random", {}, {ValueKind::kSigned, 1'000'000'007, 1'000'003}, Noise},
      {"test_ratio", {}, kDouble, Tenths},
      {"test_quarter", {}, kDouble, [](auto) { return spool::BitsOf(0.25); }},
      {"test_special", {}, kDouble, SpecialDouble},
      {"test_info", {{"text", "a \"q\" \\ \n \x01 ü €"}}, {ValueKind::kConstant, 1, 1}, Noise},
  };
}

Sample Unless(bool absent, std::uint64_t bits) {
  return absent ? std::nullopt : Sample(bits);
}

// With absent samples; those of the second half come one after the other, each at its tick.
std::vector<Column> Coming() {
  const spool::Representation counter = {ValueKind::kUnsigned, 1, 1};
  return {
      {"test_device",
       {{"device", "a"}},
       counter,
       [](auto t) { return Unless(t % 5 == 2, t / 19 * 1000); }},
      {"test_sometimes", {}, {}, [](auto t) { return Unless(t % 4 < 2, Noise(t)); }},
      {"test_going", {}, {}, [](auto t) { return Unless(t > 12 && t < 150, t); }},
      {"test_late_start", {}, kDouble, [](auto t) { return Unless(t < 30, SpecialDouble(t)); }},
      {"test_info", {}, {ValueKind::kConstant, 1, 1}, [](auto t) { return Unless(t % 3 == 0, 0); }},
      {"test_device", {{"device", "b"}}, counter, [](auto t) { return Unless(t < 33, t * 9); }},
      {"test_new", {}, kDouble, [](auto t) { return Unless(t < 51, Tenths(t)); }},
      {"test_device", {{"device", "c"}}, counter, [](auto t) { return Unless(t < 52, ~t); }},
  };
}

constexpr std::size_t kComingAtFirst = 5;

std::size_t ColumnsThere(const std::vector<Column>& coming, std::uint64_t tick) {
  std::size_t there = kComingAtFirst;
  while (there < coming.size() && coming[there].at(tick)) ++there;
  return there;
}

spool::SchemaPtr MakeSchemaOf(const std::string& collector, std::span<const Column> columns) {
  std::vector<Family> families;
  std::vector<spool::Series> series;
  for (const Column& column : columns) {
    const auto family = std::find_if(families.begin(), families.end(),
                                     [&](const Family& f) { return f.name == column.name; });
    series.push_back({static_cast<std::uint32_t>(family - families.begin()), column.labels});
    if (family != families.end()) continue;
    families.push_back({column.name, "Help.", MetricType::kGauge, column.representation, ""});
  }
  return std::make_shared<const spool::Schema>(collector, families, series);
}

spool::Section SectionAt(std::uint64_t tick, const std::string& collector,
                         std::span<const Column> columns) {
  static std::map<std::pair<std::string, std::size_t>, spool::SchemaPtr> schemas;
  spool::SchemaPtr& schema = schemas[{collector, columns.size()}];
  if (schema == nullptr) schema = MakeSchemaOf(collector, columns);
  spool::Section section{schema, {}, {}};
  for (const Column& column : columns) {
    const Sample sample = column.at(tick);
    const bool stored = sample && column.representation.kind != ValueKind::kConstant;
    section.values.push_back(stored ? *sample : 0);
    section.present.push_back(sample ? 1 : 0);
  }
  return section;
}

// What grows stands before what does not: the columns behind it move.
spool::Snapshot SnapshotAt(std::uint64_t tick, const BootId& boot_id) {
  static const std::vector<Column> kSteady = Steady();
  static const std::vector<Column> kComing = Coming();
  const auto since = std::chrono::seconds(10 * tick) + Nanoseconds(Noise(tick) % 1'000'000);
  const auto drift = Nanoseconds(tick % 6 == 0 ? tick * 1000 : 0);
  return {WallTime(std::chrono::seconds(1'700'000'000)) + since + drift,
          MonoTime(std::chrono::seconds(1000)) + since,
          boot_id,
          {SectionAt(tick, "coming", std::span(kComing).first(ColumnsThere(kComing, tick))),
           SectionAt(tick, "steady", kSteady)}};
}

// --- Who records it ------------------------------------------------------------------------------

constexpr std::size_t kBlockSnapshots = 40;

// An agent's life: events between the snapshots, blocks sealed as it goes, some records delivered
// and some parked, a reboot, and a change of its spool id in the middle of a block.
class Agent {
 public:
  Agent(const std::string& file, std::uint64_t seed) : file_(file), seed_(seed) {}

  void Live() {
    Open("0123456789abcdef");
    Record(1, 60);
    spool_->Acknowledge(spool_->spool_id(), Receiver(), spool::RangeSet({{1, 20}, {30, 33}}));
    Record(61, 90);
    const spool::RangeSet refused({{12, 12}, {70, 71}, {85, 85}});
    const spool::Snapshot now = SnapshotAt(90, boot_id_);
    ASSERT_TRUE(spool_->Park(spool_->spool_id(), refused, "not wanted", now.wall, now.mono));
    Open("fedcba9876543210");
    Record(91, 160);
    const spool::Snapshot then = SnapshotAt(160, boot_id_);
    ASSERT_TRUE(spool_->StartNewEpoch(120, "cloned", then.wall, then.mono));
    Record(161, 230);
  }

  spool::Spool& spool() { return *spool_; }

 private:
  static ReceiverId Receiver() { return *ReceiverId::FromBytes("receiver-receive"); }

  void Open(const char* boot_id) {
    spool_.reset();
    boot_id_ = *BootId::FromBytes(boot_id);
    spool::SpoolOptions options = test::TestSpoolOptions(file_, ++seed_);
    options.host.hostname = "höst \"1\"";
    options.boot_id = boot_id_;
    options.key_interval = 15;
    options.seal.snapshots = kBlockSnapshots;
    auto opened = spool::Spool::Open(options);
    ASSERT_TRUE(opened) << opened.error().Message();
    spool_ = *std::move(opened);
  }

  void Record(std::uint64_t first_tick, std::uint64_t last_tick) {
    for (std::uint64_t tick = first_tick; tick <= last_tick; ++tick) {
      const spool::Snapshot snapshot = SnapshotAt(tick, boot_id_);
      ASSERT_TRUE(spool_->Append(snapshot));
      if (tick % 23 == 0) AppendEvent(tick, snapshot);
      while (*spool_->Maintain(snapshot.wall, snapshot.mono)) {
      }
    }
  }

  void AppendEvent(std::uint64_t tick, const spool::Snapshot& now) {
    spool::Event event{spool::EventKind::kGap, now.wall, now.mono, boot_id_, "", {}, {}, tick};
    if (tick % 2 == 0) {
      event.kind = spool::EventKind::kConfigurationChange;
      event.reason = "ünd \"quoted\"\n";
      event.spool_id = *SpoolId::FromBytes("another-spool-id");
      event.ranges = {{1, 2}, {5, spool::kSequenceMax}};
    }
    ASSERT_TRUE(spool_->Append(event));
  }

  const std::string file_;
  std::uint64_t seed_;
  BootId boot_id_;
  std::unique_ptr<spool::Spool> spool_;
};

// All that one origin of an agent has, stored by a receiver.
void Deliver(spool::Spool& spool, const spool::Claim& claim, spool::Inbox& inbox) {
  ASSERT_TRUE(inbox.Register({"principal", false}, claim));
  spool::RangeSet delivered;
  for (;;) {
    const auto pending = spool.NextPending(claim.spool_id, delivered, 1 << 20);
    ASSERT_TRUE(pending);
    if (pending->empty()) return;
    spool::IncomingBatch batch{claim.spool_id, {}, pending->records, {}};
    std::vector<ObjectId> needed;
    for (const auto& record : pending->records) {
      if (record.kind == spool::RecordKind::kRow) needed.push_back(record.key);
    }
    if (pending->block) {
      batch.blocks.push_back(*pending->block);
      needed = pending->block->layouts;
    }
    batch.objects = *spool.Objects(needed);
    const auto outcome = inbox.Store({batch}, WallTime());
    ASSERT_TRUE(outcome);
    ASSERT_TRUE(outcome->front().refused.empty()) << outcome->front().refused.front().detail;
    delivered.Add(outcome->front().stored);
  }
}

// --- Who reads it --------------------------------------------------------------------------------

// The one that Debian's packages are for, whatever else the PATH has.
const std::string kPython = "/usr/bin/python3";

class FormatReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto tools = test::RunCommand(
        kPython + " -c 'import google.protobuf' && protoc --version && zstd --version");
    if (tools.status != 0) {
      GTEST_SKIP() << "needs the Debian packages python3-protobuf, protobuf-compiler and zstd: "
                   << tools.output;
    }
    const std::string proto = (test::SourceDir() / "proto").string();
    const auto generated = test::RunCommand("protoc -I '" + proto + "' --python_out='" +
                                            folder_.path().string() + "' doagent/v1/storage.proto");
    ASSERT_EQ(generated.status, 0) << generated.output;
  }

  std::string Path(const char* name) const { return (folder_ / name).string(); }

  std::string Script(const std::string& name) const {
    return kPython + " -B '" + (test::SourceDir() / "tests/format_reader" / name).string() + "' ";
  }

  // Both ways of reading a spool, into two files; takes down what the reader says of its source.
  void ReadBothWays(const std::string& file, bool damaged = false) {
    const int status = damaged ? 1 : 0;
    const auto dump =
        test::RunTool({"dump", "--spool", file, "--format", "json", "--output", Path("dump.json")});
    ASSERT_EQ(static_cast<int>(dump.status), status) << dump.err;
    const auto read =
        test::RunCommand(Script("read_spool.py") + "'" + file + "' '" + folder_.path().string() +
                         "' 2>&1 >'" + Path("read.json") + "'");
    ASSERT_EQ(read.status, status) << read.output;
    messages_ = read.output;
    statistics_ = nlohmann::json::parse(messages_.substr(messages_.rfind('{')));
  }

  test::CommandOutcome Compare(const char* one = "dump.json", const char* other = "read.json") {
    return test::RunCommand(Script("compare_lines.py") + "'" + Path(one) + "' '" + Path(other) +
                            "'");
  }

  void ExpectTheSame() {
    const auto outcome = Compare();
    EXPECT_EQ(outcome.status, 0) << outcome.output;
  }

  const test::TempDir folder_;
  const std::string file_ = Path("spool.db");
  std::string messages_;
  std::map<std::string, std::uint64_t> statistics_;
};

TEST_F(FormatReaderTest, ReadsAnAgentsSpool) {
  Agent agent(file_, 1);
  ASSERT_NO_FATAL_FAILURE(agent.Live());
  ASSERT_NO_FATAL_FAILURE(ReadBothWays(file_));
  ExpectTheSame();
  EXPECT_EQ(statistics_.extract("objects_from_copies").mapped(), 0U);
  // Everything that the document describes was there to be read.
  for (const auto& [what, count] : statistics_) EXPECT_GT(count, 0U) << what;
  EXPECT_EQ(statistics_["rows"] + statistics_["block_snapshots"], 230U);
  const std::string dump = test::ReadFile(Path("dump.json"));
  for (const char* state : {"pending", "acknowledged", "parked"}) {
    EXPECT_THAT(dump, HasSubstr("\"state\":\"" + std::string(state) + "\"")) << state;
  }
}

TEST_F(FormatReaderTest, ReadsAReceiversSpool) {
  const std::string receiver = Path("receiver.db");
  spool::InboxOptions options{receiver, "test", [n = std::uint64_t{7}]() mutable { return ++n; }};
  options.seal.snapshots = 10;
  const auto inbox = spool::Inbox::Open(options);
  ASSERT_TRUE(inbox) << inbox.error().Message();
  for (const std::uint64_t seed : {std::uint64_t{10}, std::uint64_t{20}}) {
    Agent agent(Path(seed == 10 ? "one.db" : "other.db"), seed);
    ASSERT_NO_FATAL_FAILURE(agent.Live());
    const auto claims = agent.spool().Claims();
    ASSERT_TRUE(claims);
    for (const auto& claim : *claims) Deliver(agent.spool(), claim, **inbox);
  }
  const WallTime now = SnapshotAt(230, test::TestBootId()).wall;
  ASSERT_TRUE((*inbox)->Maintain(now, MonoTime()));
  ASSERT_NO_FATAL_FAILURE(ReadBothWays(receiver));
  ExpectTheSame();
  EXPECT_GT(statistics_["block_snapshots"], 300U);
  EXPECT_GT(statistics_["rows"], 0U);
}

TEST_F(FormatReaderTest, TakesTheCopiesOfDamagedObjects) {
  Agent agent(file_, 1);
  ASSERT_NO_FATAL_FAILURE(agent.Live());
  test::ExecuteSql(file_,
                   "UPDATE objects SET payload = x'2800' WHERE kind = 1;"
                   "UPDATE objects SET payload = substr(payload, 2) WHERE kind > 1");
  ASSERT_NO_FATAL_FAILURE(ReadBothWays(file_));
  ExpectTheSame();
  EXPECT_GT(statistics_["objects_from_copies"], 5U);
}

TEST_F(FormatReaderTest, LeavesOutTheSameDamagedRecords) {
  Agent agent(file_, 1);
  ASSERT_NO_FATAL_FAILURE(agent.Live());
  test::ExecuteSql(file_,
                   "UPDATE records SET time_unix_ns = time_unix_ns + 1"
                   " WHERE id IN (SELECT max(id) FROM records GROUP BY kind);"
                   "UPDATE blocks SET holes = x'02' WHERE id = (SELECT max(id) FROM blocks)");
  ASSERT_NO_FATAL_FAILURE(ReadBothWays(file_, true));
  ExpectTheSame();
  EXPECT_EQ(std::count(messages_.begin(), messages_.end(), '\n'), 3 + 1) << messages_;
}

// The comparison is worth something: no number can differ in silence.
TEST_F(FormatReaderTest, OneDigitMakesADifference) {
  const auto differ = [this](const std::string& one, const std::string& other) {
    test::WriteFile(Path("one"), one);
    test::WriteFile(Path("other"), other);
    const auto outcome = Compare("one", "other");
    std::filesystem::remove(Path("one"));
    std::filesystem::remove(Path("other"));
    return outcome.status;
  };
  const std::string line = R"({"sequence":1,"samples":[{"labels":{"a":"b"},"value":0.3}]})";
  EXPECT_EQ(differ(line, line), 0);
  EXPECT_EQ(differ("{\"value\":2.0}", "{\"value\":2}"), 0);
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"0.3", "0.30000000000000004"},
                                                        {"1", "2"},
                                                        {"\"b\"", "\"c\""},
                                                        {"value", "valve"},
                                                        {"0.3", "\"NaN\""},
                                                        {"}]}", "}]}\n{}"},
                                                        {"0.3}", "0.3},{}"}}) {
    std::string changed = line;
    changed.replace(changed.find(from), from.size(), to);
    EXPECT_EQ(differ(line, changed), 1) << changed;
    EXPECT_EQ(differ(changed, line), 1) << changed;
  }
  EXPECT_EQ(differ("18446744073709551615", "18446744073709551614"), 1);
  EXPECT_EQ(differ("0", "-0"), 1);
  EXPECT_EQ(differ("1.0", "1.0000000000000002"), 1);
}

}  // namespace
}  // namespace doagent::spool_tool
