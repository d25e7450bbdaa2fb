// What one collection costs beside what the kernel charges for its files: the same files read with
// pread on open descriptors and thrown away. Both read the real /proc and /sys of this machine, in
// turn: in a tight loop, where the caches are warm, and at intervals, where a tick costs several
// times as much.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "collector/collector.h"
#include "spool/check.h"
#include "tests/bench/figures.h"

namespace doagent::bench {
namespace {

using collector::Collector;
using collector::CollectorOptions;

MonoTime MonotonicNow() {
  return MonoTime(std::chrono::steady_clock::now().time_since_epoch());
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

// The CPU time of one run, in seconds: of this thread while it runs, and of the collector's workers
// until the next turn, but not what the waiting in between costs.
template <typename Work>
double CpuSecondsOf(Work& work, std::chrono::milliseconds wait) {
  const double others_before = ProcessCpuSeconds() - ThreadCpuSeconds();
  const double before = ThreadCpuSeconds();
  work.Run();
  const double own = ThreadCpuSeconds() - before;
  if (wait.count() > 0) std::this_thread::sleep_for(wait);
  return own + (ProcessCpuSeconds() - ThreadCpuSeconds()) - others_before;
}

void Measure(const std::string& name, std::chrono::milliseconds interval, int ticks) {
  Collection collection;
  BareReads bare;
  std::vector<double> ours;
  std::vector<double> reference;
  for (int tick = 0; tick < ticks; ++tick) {
    ours.push_back(CpuSecondsOf(collection, interval / 2));
    reference.push_back(CpuSecondsOf(bare, interval / 2));
  }
  PrintFigure("tick." + name, Median(ours) * 1e6, "us_cpu", Median(reference) * 1e6);
}

}  // namespace
}  // namespace doagent::bench

int main(int argc, char** argv) {
  using namespace doagent::bench;
  using std::chrono::milliseconds;
  const Options options(argc, argv, {"--ticks"});
  const int ticks = options.GetCount("--ticks", 30);  // of the slowest interval
  Collection collection;
  collection.Run();
  PrintFigure("tick.series", static_cast<double>(collection.series()), "series");
  Measure("tight_loop", milliseconds(0), 100 * ticks);
  Measure("every_100ms", milliseconds(100), 3 * ticks);
  Measure("every_1s", milliseconds(1000), ticks);
}
