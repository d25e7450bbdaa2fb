// A durable append of a recorded host's snapshots, in turn with two references on the same file
// system: fdatasync after overwriting 4 KiB, the cheapest durable write there is, and the plain way
// to do it in SQLite, a row of 2 KB with the default page size. Every record is acknowledged, as it
// is with a receiver at hand.
//
//   append_bench [--directory DIR] [--trace FILE] [--step N] [--ticks N] [--wait MS]

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "spool/check.h"
#include "spool/spool.h"
#include "tests/bench/figures.h"
#include "tests/bench/trace.h"

namespace doagent::bench {
namespace {

// What this process has had written to storage so far, in bytes.
std::uint64_t WrittenBytes() {
  std::ifstream io("/proc/self/io");
  std::string key;
  for (std::uint64_t value = 0; io >> key >> value;) {
    if (key == "write_bytes:") return value;
  }
  return 0;
}

struct Cost {
  std::vector<double> seconds;
  std::uint64_t written_bytes = 0;

  template <typename Work>
  void Add(const Work& work) {
    const std::uint64_t before = WrittenBytes();
    seconds.push_back(WallSeconds(work));
    written_bytes += WrittenBytes() - before;
  }
  double micros(double quantile) const {
    std::vector<double> sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<std::size_t>(quantile * static_cast<double>(sorted.size() - 1))] *
           1e6;
  }
  double written_per_call() const {
    return static_cast<double>(written_bytes) / static_cast<double>(seconds.size());
  }
};

class OverwrittenPage {
 public:
  explicit OverwrittenPage(const std::filesystem::path& path)
      : fd_(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {
    DOAGENT_CHECK(fd_ >= 0);
    Write();
    DOAGENT_CHECK(fsync(fd_) == 0);
  }
  ~OverwrittenPage() { close(fd_); }
  OverwrittenPage(const OverwrittenPage&) = delete;
  OverwrittenPage& operator=(const OverwrittenPage&) = delete;

  void WriteDurably() {
    Write();
    DOAGENT_CHECK(fdatasync(fd_) == 0);
  }

 private:
  void Write() {
    ++page_[0];
    DOAGENT_CHECK(pwrite(fd_, page_.data(), page_.size(), 0) == static_cast<ssize_t>(page_.size()));
  }

  int fd_;
  std::string page_ = std::string(4096, 'x');
};

class PlainTable {
 public:
  explicit PlainTable(const std::filesystem::path& path) {
    DOAGENT_CHECK(sqlite3_open(path.c_str(), &database_) == SQLITE_OK);
    Execute("PRAGMA journal_mode = WAL");
    Execute("PRAGMA synchronous = FULL");
    Execute("CREATE TABLE row (id INTEGER PRIMARY KEY, payload BLOB)");
  }
  ~PlainTable() { sqlite3_close(database_); }
  PlainTable(const PlainTable&) = delete;
  PlainTable& operator=(const PlainTable&) = delete;

  void Insert() { Execute("INSERT INTO row (payload) VALUES (randomblob(2048))"); }

 private:
  void Execute(const char* sql) {
    DOAGENT_CHECK(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  }

  sqlite3* database_ = nullptr;
};

std::unique_ptr<spool::Spool> OpenSpool(const std::filesystem::path& path) {
  spool::SpoolOptions options;
  options.path = path;
  options.host.machine_id = "bench";
  options.program = "bench";
  options.local = false;
  options.random = [generator = std::mt19937_64(1)]() mutable { return generator(); };
  auto spool = spool::Spool::Open(options);
  DOAGENT_CHECK(spool.has_value());
  return *std::move(spool);
}

void Measure(const std::filesystem::path& directory, const Trace& trace,
             std::chrono::milliseconds wait) {
  const auto spool = OpenSpool(directory / "spool.db");
  OverwrittenPage page(directory / "page");
  PlainTable table(directory / "plain.db");
  const ReceiverId receiver = *ReceiverId::FromBytes("0123456789abcdef");
  Cost append;
  Cost maintain;
  Cost sync;
  Cost insert;
  // Whoever comes first after the wait finds everything asleep: each in turn.
  std::size_t turn = 0;
  for (const spool::Snapshot& snapshot : trace.snapshots) {
    const std::array<std::function<void()>, 3> works = {
        [&] {
          append.Add([&] {
            const auto sequence = spool->Append(snapshot);
            DOAGENT_CHECK(sequence.has_value());
            spool->Acknowledge(spool->spool_id(), receiver,
                               spool::RangeSet({{*sequence, *sequence}}));
          });
        },
        [&] { sync.Add([&] { page.WriteDurably(); }); },
        [&] { insert.Add([&] { table.Insert(); }); }};
    for (std::size_t i = 0; i < works.size(); ++i) works[(turn + i) % works.size()]();
    ++turn;
    maintain.Add([&] { DOAGENT_CHECK(spool->Maintain(snapshot.wall, snapshot.mono).has_value()); });
    std::this_thread::sleep_for(wait);
  }
  PrintFigure("append.records", static_cast<double>(append.seconds.size()), "records");
  PrintFigure("append.p50_to_fdatasync", append.micros(0.5), "us", sync.micros(0.5));
  PrintFigure("append.p99_to_fdatasync", append.micros(0.99), "us", sync.micros(0.99));
  PrintFigure("append.p50_to_plain_sqlite", append.micros(0.5), "us", insert.micros(0.5));
  PrintFigure("append.written_with_sealing",
              append.written_per_call() + maintain.written_per_call(), "B/append", 8192);
  PrintFigure("append.written_to_plain_sqlite", append.written_per_call(), "B/append",
              insert.written_per_call());
}

}  // namespace
}  // namespace doagent::bench

int main(int argc, char** argv) {
  using namespace doagent::bench;
  const Options options(argc, argv, {"--directory", "--trace", "--step", "--ticks", "--wait"});
  const auto step = static_cast<std::size_t>(options.GetCount("--step", 10));
  const auto ticks = static_cast<std::size_t>(options.GetCount("--ticks", 1'000'000));
  const std::chrono::milliseconds wait(options.GetCount("--wait", 10));
  const auto trace = LoadTrace(options.Get("--trace", DOAGENT_TRACE), step, ticks);
  if (!trace) {
    std::fprintf(stderr, "append_bench: %s\n", trace.error().Message().c_str());
    return 3;
  }
  std::string directory = options.Get("--directory", ".") + "/append-bench-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) {
    std::fprintf(stderr,
                 "append_bench: %s: cannot make a folder in it; name another with "
                 "--directory\n",
                 options.Get("--directory", ".").c_str());
    return 3;
  }
  Measure(directory, *trace, wait);
  std::filesystem::remove_all(directory);
}
