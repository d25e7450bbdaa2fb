// A host for the collectors' tests: a tree of files with system calls that answer the same each
// time, and its snapshots as text.
#pragma once

#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "collector/collector.h"
#include "spool/model.h"
#include "tests/support/temp_dir.h"

namespace doagent::test {

inline int FakeUname(struct utsname* names) {
  std::strcpy(names->sysname, "Linux");
  std::strcpy(names->nodename, "host-1");
  std::strcpy(names->release, "6.1.0-13-amd64");
  std::strcpy(names->version, "#1 SMP");
  std::strcpy(names->machine, "x86_64");
  std::strcpy(names->domainname, "(none)");
  return 0;
}

// Winter time in the middle of Europe.
inline std::tm* FakeLocaltime(const std::time_t* time, std::tm* out) {
  const std::time_t shifted = *time + 3600;
  ::gmtime_r(&shifted, out);
  out->tm_gmtoff = 3600;
  out->tm_zone = "CET";
  return out;
}

// Sizes that depend on the path only; a path that ends in "dead" fails.
inline int FakeStatvfs(const char* path, struct statvfs* out) {
  const std::string_view text = path;
  if (text.ends_with("dead")) {
    errno = EIO;
    return -1;
  }
  *out = {};
  out->f_bsize = 65536;  // not the unit of the blocks
  out->f_frsize = 4096;
  out->f_blocks = 1000 + text.size();
  out->f_bfree = 500;
  out->f_bavail = 400;
  out->f_files = 300;
  out->f_ffree = 200;
  return 0;
}

inline collector::CollectorOptions FakeOptions() {
  collector::CollectorOptions options;
  options.user_hz = 100;
  options.monotonic_now = [] { return MonoTime(); };
  options.uname = FakeUname;
  options.localtime = FakeLocaltime;
  options.statvfs = FakeStatvfs;
  // Only a broken worker keeps a test waiting.
  options.statvfs_first_wait = std::chrono::seconds(20);
  options.statvfs_wait = std::chrono::seconds(20);
  return options;
}

// 2023-11-14T22:13:20.123Z and one second more for each tick.
inline WallTime FakeWall(int tick) {
  return FromUnixNanoseconds(1'700'000'000'123'456'789) + std::chrono::seconds(tick);
}
inline MonoTime FakeMono(int tick) {
  return FromBootNanoseconds(1'000'000'000'000) + std::chrono::seconds(tick);
}

// Every sample that is there: `name{label="value"}` -> its value, shortest form.
using Samples = std::map<std::string, std::string>;

inline std::string SeriesText(const spool::Schema& schema, std::size_t index) {
  std::string labels;
  for (const auto& [name, value] : schema.series()[index].labels) {
    if (!labels.empty()) labels += ',';
    labels.append(name).append("=\"").append(value).append("\"");
  }
  const std::string& name = schema.family_of(index).name;
  return labels.empty() ? name : name + "{" + labels + "}";
}

inline Samples ToSamples(const spool::Snapshot& snapshot) {
  Samples samples;
  for (const auto& section : snapshot.sections) {
    for (std::size_t i = 0; i < section.schema->size(); ++i) {
      if (section.present[i] == 0) continue;
      char text[64];
      const double value =
          spool::ToDouble(section.schema->family_of(i).representation, section.values[i]);
      const auto end = std::to_chars(text, text + sizeof text, value).ptr;
      const auto series = SeriesText(*section.schema, i);
      if (!samples.emplace(series, std::string(text, end)).second)
        throw std::runtime_error("twice in a snapshot: " + series);
    }
  }
  return samples;
}

class FakeHost {
 public:
  FakeHost() { std::filesystem::create_directories(root() / "proc"); }

  std::filesystem::path root() const { return directory_.path(); }

  // The path is relative: "proc/stat".
  void Write(const std::string& path, std::string_view text) const {
    std::filesystem::create_directories((root() / path).parent_path());
    std::ofstream file(root() / path, std::ios::binary | std::ios::trunc);
    file << text;
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
  }
  void Remove(const std::string& path) const { std::filesystem::remove_all(root() / path); }

  collector::CollectorOptions Options() const {
    auto options = FakeOptions();
    options.procfs = root() / "proc";
    options.sysfs = root() / "sys";
    return options;
  }

  // A collector of just these.
  std::unique_ptr<collector::Collector> Start(std::vector<std::string> collectors) const {
    auto options = Options();
    options.enabled = std::move(collectors);
    return StartWith(std::move(options));
  }
  static std::unique_ptr<collector::Collector> StartWith(collector::CollectorOptions options) {
    auto made = collector::Collector::Create(std::move(options));
    if (!made) throw std::runtime_error(made.error().Message());
    return *std::move(made);
  }

 private:
  TempDir directory_;
};

// A collector with the snapshot that it refills.
class Ticker {
 public:
  explicit Ticker(std::unique_ptr<collector::Collector> collector)
      : collector_(std::move(collector)) {}

  // The samples of the next tick.
  Samples Tick() {
    collector_->Collect(FakeWall(tick_), FakeMono(tick_), BootId(), snapshot_);
    ++tick_;
    return ToSamples(snapshot_);
  }

  // The value of a series in the last snapshot, or nothing.
  std::optional<std::string> Value(const std::string& series) const {
    const auto samples = ToSamples(snapshot_);
    const auto it = samples.find(series);
    return it == samples.end() ? std::nullopt : std::optional(it->second);
  }
  std::optional<std::string> Success(const std::string& collector) const {
    return Value("node_scrape_collector_success{collector=\"" + collector + "\"}");
  }

  // The section of a collector in the last snapshot, or null.
  const spool::Section* Section(const std::string& collector) const {
    for (const auto& section : snapshot_.sections) {
      if (section.schema->collector() == collector) return &section;
    }
    return nullptr;
  }

  collector::Collector& collector() { return *collector_; }
  const spool::Snapshot& snapshot() const { return snapshot_; }

 private:
  std::unique_ptr<collector::Collector> collector_;
  spool::Snapshot snapshot_;
  int tick_ = 0;
};

}  // namespace doagent::test
