// A folder with a spool in it that is damaged, lost or locked, and what must be there afterwards.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "spool/reader.h"
#include "spool/spool.h"
#include "spool/verifier.h"
#include "tests/spool/damaged_spools.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {

inline const test::SampleSpool& Sample() {
  static const test::SampleSpool sample;
  return sample;
}

inline Event StopEvent() {
  return {EventKind::kStop,
          test::MakeSnapshot(503).wall,
          test::MakeSnapshot(503).mono,
          test::TestBootId(),
          "",
          {},
          {},
          0};
}

class RecoveryTest : public ::testing::Test {
 protected:
  std::filesystem::path path() const { return dir_ / "spool.db"; }
  std::filesystem::path log() const { return path().string() + "-wal"; }

  void Write(const std::string& database, const std::string& log) const {
    test::SampleSpool::Write(dir_.path(), database, log);
  }

  static std::string Bytes(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  std::unique_ptr<Spool> Open() {
    SpoolOptions options = test::TestSpoolOptions(path(), ++seed_);
    options.wall = test::MakeSnapshot(500).wall;
    options.mono = test::MakeSnapshot(500).mono;
    auto spool = Spool::Open(options);
    EXPECT_TRUE(spool) << spool.error().Message();
    return spool ? *std::move(spool) : nullptr;
  }

  static void Settle(Spool& spool) {
    for (int idle = 0; idle < 40;) {
      const auto more = spool.Maintain(test::MakeSnapshot(600).wall, test::MakeSnapshot(600).mono);
      ASSERT_TRUE(more) << more.error().Message();
      if (!*more) ++idle;
    }
  }

  // The reasons of the events of one kind, of all origins.
  std::vector<std::string> Reasons(EventKind kind) const {
    std::vector<std::string> reasons;
    for (const auto& [name, record] : test::ReadEverything(path())) {
      const auto* event = std::get_if<Event>(&record.content);
      if (event != nullptr && event->kind == kind) reasons.push_back(event->reason);
    }
    return reasons;
  }

  // How many of the sample's records are there, as they were.
  std::size_t Survivors() const {
    std::size_t survivors = 0;
    for (const auto& [name, record] : test::ReadEverything(path())) {
      const auto original = Sample().records().find(name);
      if (original != Sample().records().end() && test::SameContent(record, original->second)) {
        ++survivors;
      }
    }
    return survivors;
  }

  // All that is wrong with the file.
  static std::vector<std::string> Findings(const std::filesystem::path& file) {
    std::vector<std::string> findings;
    const auto add = [&findings](const Finding& finding) {
      findings.push_back(finding.place + ": " + finding.what);
    };
    EXPECT_TRUE(VerifySpool(file, {add, [](const OriginSummary&) {}, nullptr}));
    return findings;
  }

  // Nothing is missing that nothing explains.
  void ExpectNoRiddles() const {
    for (const std::string& finding : Findings(path())) {
      EXPECT_THAT(finding, ::testing::Not(::testing::HasSubstr("nothing explains")));
    }
    const auto reader = Reader::Open(path());
    ASSERT_TRUE(reader) << reader.error().Message();
    const auto status = (*reader)->Status();
    ASSERT_TRUE(status);
    for (const auto& origin : status->origins) EXPECT_THAT(origin.missing, ::testing::IsEmpty());
  }

  const test::TempDir dir_{test::TempDir::Where::kMemory};
  std::uint64_t seed_ = 100;
};

}  // namespace doagent::spool
