// What one collection costs beside what the kernel charges for its files: the same files read with
// pread on open descriptors and thrown away. Both read the real /proc and /sys of this machine.
//
// In a tight loop the caches are warm; at the real interval a tick costs several times as much, in
// both. `--benchmark_filter=Tight` leaves out the runs at an interval, which take a while.

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "collector/collector.h"
#include "spool/check.h"

namespace doagent {
namespace {

using collector::Collector;
using collector::CollectorOptions;

MonoTime MonotonicNow() {
  return MonoTime(std::chrono::steady_clock::now().time_since_epoch());
}

// CPU time of the whole process, workers included.
double CpuSeconds() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

std::unique_ptr<Collector> MakeCollector() {
  CollectorOptions options;
  options.user_hz = static_cast<std::uint32_t>(sysconf(_SC_CLK_TCK));
  options.monotonic_now = MonotonicNow;
  auto collector = Collector::Create(std::move(options));
  DOAGENT_CHECK(collector.has_value());
  return *std::move(collector);
}

// The collector with the snapshot that it refills.
class Collection {
 public:
  void Run() {
    collector_->Collect(WallTime(std::chrono::system_clock::now().time_since_epoch()),
                        MonotonicNow(), BootId(), snapshot_);
    benchmark::DoNotOptimize(snapshot_.sections.data());
  }
  std::size_t series() const {
    std::size_t count = 0;
    for (const auto& section : snapshot_.sections) count += section.schema->size();
    return count;
  }

 private:
  std::unique_ptr<Collector> collector_ = MakeCollector();
  spool::Snapshot snapshot_;
};

// The same files, and nothing done with what they say.
class BareReads {
 public:
  BareReads() {
    for (const char* path : {"/proc/stat", "/proc/meminfo", "/proc/loadavg", "/proc/vmstat",
                             "/proc/diskstats", "/proc/net/dev", "/proc/1/mountinfo"}) {
      Open(path, 65536);
    }
    Open("/proc/sys/fs/file-nr", 128);
    const std::string clock = "/sys/devices/system/clocksource/clocksource0/";
    Open(clock + "available_clocksource", 128);
    Open(clock + "current_clocksource", 128);
    for (const auto& entry : std::filesystem::directory_iterator("/sys/class/net")) {
      Open(entry.path() / "statistics/rx_nohandler", 128);
    }
  }
  ~BareReads() {
    for (const auto& file : files_) close(file.fd);
  }

  void Run() {
    for (const auto& file : files_) {
      off_t offset = 0;
      ssize_t got = 0;
      do {
        got = pread(file.fd, buffer_.data(), file.offered, offset);
        offset += got > 0 ? got : 0;
        // A short answer of a small file is all of it, as in the collector.
      } while (got > 0 && !(file.offered < 1024 && static_cast<std::size_t>(got) < file.offered));
    }
    benchmark::DoNotOptimize(buffer_.data());
  }

 private:
  struct File {
    int fd;
    std::size_t offered;
  };
  void Open(const std::string& path, std::size_t offered) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) files_.push_back({fd, offered});
  }

  std::vector<File> files_;
  std::array<char, 65536> buffer_{};
};

template <typename Work>
void Tight(benchmark::State& state) {
  Work work;
  for (int i = 0; i < 10; ++i) work.Run();
  const double before = CpuSeconds();
  for (auto _ : state) work.Run();
  state.counters["cpu_us_per_tick"] =
      benchmark::Counter((CpuSeconds() - before) * 1e6, benchmark::Counter::kAvgIterations);
  if constexpr (std::is_same_v<Work, Collection>) {
    state.counters["series"] = static_cast<double>(work.series());
  }
}
BENCHMARK_TEMPLATE(Tight, BareReads);
BENCHMARK_TEMPLATE(Tight, Collection);

// One tick every 100 ms: cold caches and an idle worker, as in production.
template <typename Work>
void AtInterval(benchmark::State& state) {
  Work work;
  work.Run();
  double cpu = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    state.ResumeTiming();
    const double before = CpuSeconds();
    work.Run();
    cpu += CpuSeconds() - before;
  }
  state.counters["cpu_us_per_tick"] =
      benchmark::Counter(cpu * 1e6, benchmark::Counter::kAvgIterations);
}
BENCHMARK_TEMPLATE(AtInterval, BareReads)->Iterations(100)->Unit(benchmark::kMicrosecond);
BENCHMARK_TEMPLATE(AtInterval, Collection)->Iterations(100)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace doagent

BENCHMARK_MAIN();
