// A week of 1,000 series at 10 s in a spool, as an agent would store it: the recorded host tiled,
// its counters continued from lap to lap, filled up with time-shifted copies of its series. Then
// what it costs in memory to seal, and to read all of it; and to read as many such hosts as make a
// spool of 1 GiB.
//
//   week_bench [--trace FILE] [--ticks N] [--spool FILE]      the file is removed before and after

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "spool/check.h"
#include "spool/reader.h"
#include "spool/spool.h"
#include "spool/sqlite.h"
#include "tests/bench/figures.h"
#include "tests/bench/trace.h"

namespace doagent::bench {
namespace {

constexpr std::size_t kSeries = 1000;
constexpr auto kTick = std::chrono::seconds(10);

// A field of /proc/self/status, in bytes.
double MemoryBytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind(field + ":", 0) == 0) return std::stod(line.substr(field.size() + 1)) * 1024;
  }
  return 0;
}

// The highest resident memory counts from now on.
void ResetPeak() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

// One section of the trace as it goes on for as long as one likes.
class Tile {
 public:
  // The section's first `series` series, `shift` ticks ahead of the others.
  Tile(const Trace& trace, std::size_t section, std::size_t series, std::size_t shift)
      : trace_(trace), section_(section), shift_(shift) {
    const spool::Schema& whole = *trace.snapshots.front().sections[section].schema;
    std::vector<spool::Series> kept(whole.series().begin(),
                                    whole.series().begin() + static_cast<std::ptrdiff_t>(series));
    for (spool::Series& one : kept) {
      if (shift > 0) one.labels.push_back({"copy", std::to_string(shift)});
    }
    schema_ = std::make_shared<const spool::Schema>(
        whole.collector() + (shift > 0 ? "_" + std::to_string(shift) : ""), whole.families(), kept);
    const auto& first = trace.snapshots.front().sections[section].values;
    const auto& last = trace.snapshots.back().sections[section].values;
    for (std::size_t i = 0; i < series; ++i) lap_.push_back(Advance(i, first[i], last[i]));
  }

  spool::Section At(std::size_t tick) const {
    const std::size_t position = tick + shift_;
    const std::uint64_t lap = position / trace_.snapshots.size();
    const spool::Section& base =
        trace_.snapshots[position % trace_.snapshots.size()].sections[section_];
    spool::Section section{schema_, {}, {}};
    for (std::size_t i = 0; i < schema_->size(); ++i) {
      section.present.push_back(base.present[i]);
      section.values.push_back(base.present[i] != 0 ? Later(i, base.values[i], lap) : 0);
    }
    return section;
  }
  std::size_t size() const { return schema_->size(); }

 private:
  bool IsDouble(std::size_t i) const {
    return schema_->family_of(i).representation.kind == spool::ValueKind::kDouble;
  }
  // What a counter gains in a lap; other series begin anew.
  std::uint64_t Advance(std::size_t i, std::uint64_t first, std::uint64_t last) const {
    if (schema_->family_of(i).type != spool::MetricType::kCounter) return 0;
    if (!IsDouble(i)) return last > first ? last - first : 0;
    return 0;
  }
  std::uint64_t Later(std::size_t i, std::uint64_t value, std::uint64_t lap) const {
    return lap_[i] == 0 ? value : value + lap * lap_[i];
  }

  const Trace& trace_;
  std::size_t section_;
  std::size_t shift_;
  spool::SchemaPtr schema_;
  std::vector<std::uint64_t> lap_;
};

std::vector<Tile> Tiles(const Trace& trace) {
  std::vector<Tile> tiles;
  std::size_t series = 0;
  for (std::size_t copy = 0; series < kSeries; ++copy) {
    const std::size_t shift = copy * (trace.snapshots.size() / 3);
    for (std::size_t i = 0; i < trace.snapshots.front().sections.size() && series < kSeries; ++i) {
      const std::size_t size = trace.snapshots.front().sections[i].schema->size();
      tiles.emplace_back(trace, i, std::min(size, kSeries - series), shift);
      series += tiles.back().size();
    }
  }
  return tiles;
}

struct Week {
  std::size_t samples = 0;
  double seal_peak = 0;  // memory above what the agent's spool has when idle
};

std::unique_ptr<spool::Spool> OpenSpool(const std::string& path) {
  spool::SpoolOptions options;
  options.path = path;
  options.host.hostname = "bench";
  options.program = "week_bench";
  options.retention.expires = false;
  options.retention.bytes_max = 0;
  const auto random = std::make_shared<std::mt19937_64>(1);
  options.random = [random] { return (*random)(); };
  options.wall = WallTime(std::chrono::seconds(1'700'000'000));
  auto spool = spool::Spool::Open(options);
  DOAGENT_CHECK(spool.has_value());
  return *std::move(spool);
}

Week Write(const Trace& trace, const std::string& path, std::size_t ticks) {
  const std::vector<Tile> tiles = Tiles(trace);
  const auto spool = OpenSpool(path);
  Week week;
  double idle = 0;
  for (std::size_t tick = 0; tick < ticks; ++tick) {
    spool::Snapshot snapshot;
    snapshot.wall = WallTime(std::chrono::seconds(1'700'000'010)) + kTick * tick;
    snapshot.mono = MonoTime(std::chrono::seconds(10)) + kTick * tick;
    for (const Tile& tile : tiles) {
      snapshot.sections.push_back(tile.At(tick));
      for (const std::uint8_t present : snapshot.sections.back().present) week.samples += present;
    }
    DOAGENT_CHECK(spool->Append(snapshot).has_value());
    if (tick == 300) {
      idle = MemoryBytes("VmRSS");
      ResetPeak();
    }
    for (bool more = true; more;) {
      const auto step = spool->Maintain(snapshot.wall, snapshot.mono);
      DOAGENT_CHECK(step.has_value());
      more = *step;
    }
  }
  week.seal_peak = MemoryBytes("VmHWM") - idle;
  return week;
}

double ReadPeak(const std::string& path, std::size_t expected) {
  const auto reader = spool::Reader::Open(path);
  DOAGENT_CHECK(reader.has_value());
  const double idle = MemoryBytes("VmRSS");
  ResetPeak();
  std::size_t samples = 0;
  const auto visited = (*reader)->Visit(
      {},
      [&samples](const spool::Record& record) {
        const auto* snapshot = std::get_if<spool::Snapshot>(&record.content);
        if (snapshot == nullptr) return true;
        for (const auto& section : snapshot->sections) {
          for (const std::uint8_t present : section.present) samples += present;
        }
        return true;
      },
      [](const Error&) { DOAGENT_CHECK(false); });
  DOAGENT_CHECK(visited.has_value() && samples == expected);
  return MemoryBytes("VmHWM") - idle;
}

// The same history under so many further origins that the file has at least these bytes. Checksums
// do not cover whose a record is.
std::size_t Multiply(const std::string& path, double bytes_min) {
  const auto database = spool::Database::Open(path, spool::Database::Mode::kReadWrite);
  DOAGENT_CHECK(database.has_value());
  std::size_t hosts = 1;
  for (; static_cast<double>(std::filesystem::file_size(path)) < bytes_min; ++hosts) {
    const std::string number = std::to_string(hosts + 1);
    const std::string shift = " + (" + std::to_string(hosts) + " << 40)";
    const auto copied = (*database)->Execute(
        "BEGIN;"
        "INSERT INTO origins SELECT " +
        number + ", randomblob(16), first_sequence, 'host-" + number +
        "', machine_id, droplet_id, region, agent_version, principal FROM origins WHERE number = 1;"
        "INSERT INTO blocks SELECT id" +
        shift +
        ", last, first_time_unix_ns, last_time_unix_ns, "
        "encoding, checksum, holes, layouts, payload FROM blocks WHERE id < (2 << 40);"
        "INSERT INTO records SELECT id" +
        shift +
        ", time_unix_ns, kind, encoding, key_object, "
        "checksum, payload FROM records WHERE id < (2 << 40);"
        "COMMIT;");
    DOAGENT_CHECK(copied.has_value());
  }
  return hosts;
}

void RemoveFiles(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm", ".lock", ".reserve"}) {
    std::filesystem::remove(path + suffix);
  }
}

}  // namespace
}  // namespace doagent::bench

int main(int argc, char** argv) {
  using namespace doagent::bench;
  const Options options(argc, argv, {"--trace", "--ticks", "--spool"});
  const std::string path = options.Get("--spool", "/tmp/do-agent-week-bench.db");
  const auto ticks = static_cast<std::size_t>(options.GetCount("--ticks", 7 * 24 * 360));
  const auto trace = LoadTrace(options.Get("--trace", DOAGENT_TRACE), 10, 1'000'000);
  if (!trace) {
    std::fprintf(stderr, "week_bench: %s\n", trace.error().Message().c_str());
    return 3;
  }
  RemoveFiles(path);
  const Week week = Write(*trace, path, ticks);
  const auto bytes = static_cast<double>(std::filesystem::file_size(path));
  constexpr double kMiB = 1 << 20;
  PrintFigure("week.samples", static_cast<double>(week.samples), "samples");
  PrintFigure("week.file", bytes / 1e6, "MB", 20);
  PrintFigure("week.file_per_sample", bytes / static_cast<double>(week.samples), "B/sample");
  PrintFigure("week.memory_sealing", week.seal_peak / kMiB, "MiB_above_idle", 16);
  PrintFigure("week.memory_reading", ReadPeak(path, week.samples) / kMiB, "MiB_above_idle", 16);
  constexpr double kGiB = 1 << 30;
  const std::size_t hosts = Multiply(path, kGiB);
  PrintFigure("week.large_file", static_cast<double>(std::filesystem::file_size(path)) / kGiB,
              "GiB");
  PrintFigure("week.large_memory_reading", ReadPeak(path, week.samples * hosts) / kMiB,
              "MiB_above_idle", 16);
  RemoveFiles(path);
  return 0;
}
