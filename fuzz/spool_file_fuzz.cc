// The files of a spool as a damaged disk or a stranger left them: the first two bytes say how many
// KiB of the rest are the database (little endian), what follows is its log. An agent opens them,
// stores, keeps house and reads back. Ends in a usable spool or a clear refusal, always.

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "spool/check.h"
#include "spool/reader.h"
#include "spool/set_aside.h"
#include "spool/spool.h"

using namespace doagent;
using namespace doagent::spool;

namespace {

Snapshot MakeSnapshot(std::int64_t tick) {
  static const auto kSchema = std::make_shared<const Schema>(
      "fuzz", std::vector<Family>{{"fuzz_gauge", "", MetricType::kGauge, {}, ""}},
      std::vector<Series>{{0, {}}});
  Snapshot snapshot;
  snapshot.wall = WallTime(std::chrono::seconds(1'800'000'000 + tick));
  snapshot.mono = MonoTime(std::chrono::seconds(100 + tick));
  snapshot.boot_id = *BootId::FromHex(std::string(32, '1'));
  snapshot.sections.push_back({kSchema, {static_cast<std::uint64_t>(tick)}, {1}});
  return snapshot;
}

void Write(const std::string& path, const std::uint8_t* data, std::size_t size) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
}

// What a later opening finds must be readable, whatever it is.
void ReadAll(const std::filesystem::path& path) {
  const auto reader = Reader::Open(path);
  if (!reader) return;
  (void)(*reader)->Status();
  (void)(*reader)->Visit(
      {}, [](const Record&) { return true; }, [](const Error&) {});
}

void Use(const std::filesystem::path& path) {
  std::uint64_t random = 1;
  SpoolOptions options;
  options.path = path;
  options.host.machine_id = "fuzz";
  options.program = "fuzz";
  options.random = [&random] { return random = random * 6364136223846793005U + 1; };
  options.wall = MakeSnapshot(0).wall;
  options.mono = MakeSnapshot(0).mono;
  options.seal.snapshots = 4;
  const auto spool = Spool::Open(options);
  if (!spool) {
    DOAGENT_CHECK(spool.error().code == ErrorCode::kRefuse);
    return;
  }
  for (std::int64_t tick = 1; tick <= 3; ++tick) {
    (void)(*spool)->Append(MakeSnapshot(tick));
    for (int step = 0; step < 20; ++step) {
      (void)(*spool)->Maintain(MakeSnapshot(tick).wall, MakeSnapshot(tick).mono);
    }
  }
  // Damage that showed on the way is behind it now.
  DOAGENT_CHECK((*spool)->Append(MakeSnapshot(4)).has_value());
  DOAGENT_CHECK((*spool)->waiting() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t rest = size - 2;
  const std::size_t database = std::min(rest, (data[0] + std::size_t{256} * data[1]) * 1024);
  const std::filesystem::path folder =
      std::filesystem::path(std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp") /
      ("do-agent-fuzz-" + std::to_string(getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  const std::filesystem::path path = folder / "spool.db";
  Write(path, data + 2, database);
  if (rest > database) Write(path.string() + "-wal", data + 2 + database, rest - database);
  ReadAll(path);
  Use(path);
  ReadAll(path);
  std::filesystem::remove_all(folder);
  return 0;
}
