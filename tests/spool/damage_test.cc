// Spools with random damage: opening always ends in a usable spool, what stands on untouched pages
// survives, and nothing is invented. DOAGENT_DAMAGED_SPOOLS=10000 makes more of them; the seed of a
// failing one is printed and can be given as DOAGENT_DAMAGE_SEED.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "spool/spool.h"
#include "tests/spool/damaged_spools.h"
#include "tests/support/effort.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {
namespace {

using test::ByteRange;
using test::MakeSnapshot;
using test::ReadEverything;
using test::SampleSpool;
using test::TempDir;
using test::TestSpoolOptions;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Damaged {
  std::string database;
  std::string log;
  std::vector<ByteRange> touched;
  bool version_touched = false;  // the one byte where damage looks like a newer program's file
};

class Damager {
 public:
  Damager(const SampleSpool& sample, std::uint64_t seed)
      : random_(seed), database_size_(sample.database().size()) {
    damaged_.database = sample.database();
    damaged_.log = sample.log();
  }

  Damaged Run() {
    for (int count = Number(1, 6); count > 0; --count) One();
    return std::move(damaged_);
  }

 private:
  int Number(int from, int to) { return std::uniform_int_distribution<int>(from, to)(random_); }

  void One() {
    const bool log = Number(0, 2) == 0;
    std::string& file = log ? damaged_.log : damaged_.database;
    if (file.empty()) return;
    const auto at = static_cast<std::size_t>(Number(0, static_cast<int>(file.size()) - 1));
    std::size_t size = 1;
    switch (Number(0, 7)) {
      case 0:
      case 1:
      case 2:
      case 3: file[at] = static_cast<char>(file[at] ^ (1 << Number(0, 7))); break;
      case 4: file[at] = static_cast<char>(Number(0, 255)); break;
      case 5: size = Fill(file, at, [] { return '\0'; }); break;
      case 6: size = Fill(file, at, [this] { return static_cast<char>(Number(0, 255)); }); break;
      case 7: {
        size = file.size() - at;
        file.resize(at);
        break;
      }
    }
    const std::size_t begin = at + (log ? database_size_ : 0);
    damaged_.touched.push_back({begin, begin + size});
    constexpr std::size_t kVersionAt = 63;
    if (!log && at <= kVersionAt && kVersionAt < at + size) damaged_.version_touched = true;
  }

  template <typename Byte>
  std::size_t Fill(std::string& file, std::size_t at, const Byte& byte) {
    const std::size_t size =
        std::min<std::size_t>(static_cast<std::size_t>(Number(1, 4096)), file.size() - at);
    for (std::size_t i = at; i < at + size; ++i) file[i] = byte();
    return size;
  }

  std::mt19937_64 random_;
  const std::size_t database_size_;
  Damaged damaged_;
};

struct Counts {
  std::uint64_t untouched = 0;
  std::uint64_t survived = 0;
  std::uint64_t refused = 0;
  std::uint64_t renamed = 0;
};

// Opens the damaged spool, uses it, and takes over what there is.
void OpenAndUse(const std::filesystem::path& path, std::uint64_t seed, bool& refused) {
  SpoolOptions options = TestSpoolOptions(path, seed + 1000);
  options.wall = MakeSnapshot(500).wall;
  options.mono = MakeSnapshot(500).mono;
  auto spool = Spool::Open(options);
  refused = !spool && spool.error().code == ErrorCode::kRefuse;
  if (refused) return;
  ASSERT_TRUE(spool) << spool.error().Message();
  for (std::uint64_t tick = 501; tick < 504; ++tick) {
    const auto stored = (*spool)->Append(MakeSnapshot(tick));
    ASSERT_TRUE(stored) << stored.error().Message();
  }
  // So often that everything has been looked at.
  for (int idle = 0, step = 0, failures = 0; idle < 40; ++step) {
    const auto more = (*spool)->Maintain(MakeSnapshot(504).wall, MakeSnapshot(504).mono);
    if (more && !*more) ++idle;
    // Damage that shows only now is worth another look, but not many.
    if (!more) {
      ASSERT_LT(++failures, 3) << more.error().Message();
    }
    ASSERT_LT(step, 2000);
  }
  ASSERT_TRUE((*spool)->Append(MakeSnapshot(505)));
}

void CheckOne(const SampleSpool& sample, std::uint64_t seed, Counts& counts) {
  const TempDir dir(TempDir::Where::kMemory);
  const Damaged damaged = Damager(sample, seed).Run();
  SampleSpool::Write(dir.path(), damaged.database, damaged.log);
  bool refused = false;
  ASSERT_NO_FATAL_FAILURE(OpenAndUse(dir / "spool.db", seed, refused));
  if (refused) {
    EXPECT_TRUE(damaged.version_touched);
    ++counts.refused;
    return;
  }
  const auto records = ReadEverything(dir / "spool.db");
  for (const auto& name : sample.Untouched(damaged.touched)) {
    ++counts.untouched;
    counts.survived += records.count(name);
  }
  for (const auto& [name, record] : records) {
    const auto original = sample.records().find(name);
    // What is lost without a trace may have its number used again, by another incarnation.
    if (record.time >= MakeSnapshot(500).wall) continue;
    if (original != sample.records().end()) {
      EXPECT_TRUE(test::SameContent(record, original->second)) << "record " << name.second;
      continue;
    }
    // Where all three copies of the spool id are damaged, records come under another one.
    ++counts.renamed;
    const auto same_number = sample.records().find({sample.spool_id(), name.second});
    EXPECT_TRUE(same_number != sample.records().end() &&
                test::SameContent(record, same_number->second))
        << "record " << name.second << " of " << name.first.Hex() << " was invented";
  }
}

TEST(DamageTest, WhatIsIntactSurvivesAndNothingIsInvented) {
  const SampleSpool sample;
  ASSERT_GT(sample.records().size(), 190U);
  Counts counts;
  const std::uint64_t first = FromEnvironment("DOAGENT_DAMAGE_SEED", 1);
  const std::uint64_t spools =
      std::getenv("DOAGENT_DAMAGE_SEED") != nullptr
          ? 1
          : FromEnvironment("DOAGENT_DAMAGED_SPOOLS", 500 / test::kEveryNthCase);
  for (std::uint64_t seed = first; seed < first + spools; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    CheckOne(sample, seed, counts);
    if (HasFatalFailure()) return;
  }
  std::printf(
      "%lu damaged spools of %zu records (%zu bytes, %zu of them log): %lu of %lu records "
      "on untouched pages survived (%.3f %%); %lu records under another id, %lu spools "
      "refused as a newer program's\n",
      spools, sample.records().size(), sample.database().size() + sample.log().size(),
      sample.log().size(), counts.survived, counts.untouched,
      100.0 * static_cast<double>(counts.survived) / static_cast<double>(counts.untouched),
      counts.renamed, counts.refused);
  EXPECT_GE(counts.survived * 1000, counts.untouched * 990);
}

}  // namespace
}  // namespace doagent::spool
