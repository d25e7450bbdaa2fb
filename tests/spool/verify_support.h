// Spools to verify, and ways to damage them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "spool/ids.h"
#include "spool/page_file.h"
#include "spool/spool.h"
#include "spool/verifier.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {

struct Verified {
  std::vector<std::string> findings;  // "PLACE: WHAT"
  std::vector<OriginSummary> origins;
  VerifySummary summary;
};

inline Verified Verify(const std::filesystem::path& path) {
  Verified verified;
  const VerifyObserver observer{
      [&](const Finding& finding) {
        verified.findings.push_back(finding.place + ": " + finding.what);
      },
      [&](const OriginSummary& origin) { verified.origins.push_back(origin); }, nullptr};
  const auto summary = VerifySpool(path, observer);
  EXPECT_TRUE(summary) << summary.error().Message();
  if (summary) verified.summary = *summary;
  EXPECT_EQ(verified.summary.findings, verified.findings.size());
  return verified;
}

// Plain SQLite, as whoever damages a file would use it.
inline void Sql(const std::filesystem::path& path, const std::string& sql) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
  char* error = nullptr;
  EXPECT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
  sqlite3_free(error);
  EXPECT_EQ(sqlite3_close(handle), SQLITE_OK);
}

// A single value, as bytes.
inline std::string Ask(const std::filesystem::path& path, const std::string& sql) {
  sqlite3* handle = nullptr;
  EXPECT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  EXPECT_EQ(sqlite3_prepare_v2(handle, sql.c_str(), -1, &statement, nullptr), SQLITE_OK)
      << sqlite3_errmsg(handle);
  EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW) << sql;
  const void* bytes = sqlite3_column_blob(statement, 0);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, 0));
  std::string value(static_cast<const char*>(bytes), size);
  sqlite3_finalize(statement);
  EXPECT_EQ(sqlite3_close(handle), SQLITE_OK);
  return value;
}

inline std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void WriteFile(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// What can be done to the file itself. REQUIRES that nobody has it open.
class RawFile {
 public:
  explicit RawFile(std::filesystem::path path) : path_(std::move(path)), bytes_(ReadFile(path_)) {}
  ~RawFile() { WriteFile(path_, bytes_); }
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  std::string& bytes() { return bytes_; }
  std::size_t pages() const { return bytes_.size() / kPageBytes; }
  char& type_of(std::size_t page) { return bytes_[page * kPageBytes]; }

  // The first place of what is looked for. REQUIRES that it is there.
  std::size_t Find(const std::string& bytes) const {
    const std::size_t at = bytes_.find(bytes);
    EXPECT_NE(at, std::string::npos);
    return at == std::string::npos ? 0 : at;
  }

 private:
  const std::filesystem::path path_;
  std::string bytes_;
};

// An agent's spool: sequence 1 the start, 2 to 21 and 22 to 41 in blocks, 42 to 50 rows, 51 the
// stop, when it is closed.
class AgentSpool {
 public:
  AgentSpool() {
    Open();
    Append(1, 49);
    Seal();
  }

  void Open() {
    SpoolOptions options = test::TestSpoolOptions(path_, ++opens_);
    options.key_interval = 10;
    options.seal = {20, std::chrono::hours(10)};
    auto spool = Spool::Open(options);
    ASSERT_TRUE(spool) << spool.error().Message();
    spool_ = *std::move(spool);
  }

  void Append(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t tick = first; tick <= last; ++tick) {
      ASSERT_TRUE(spool_->Append(test::MakeSnapshot(tick)));
    }
  }

  void AppendEvent(EventKind kind, const std::vector<SequenceRange>& ranges = {},
                   const SpoolId& of = SpoolId()) {
    const Snapshot now = test::MakeSnapshot(1);
    ASSERT_TRUE(
        spool_->Append(Event{kind, now.wall, now.mono, now.boot_id, "test", of, ranges, 0}));
  }

  void Seal() {
    const WallTime now = test::MakeSnapshot(49).wall;
    for (;;) {
      const auto more = spool_->Maintain(now, MonoTime());
      ASSERT_TRUE(more) << more.error().Message();
      if (!*more) break;
    }
  }

  void Close() {
    if (spool_) AppendEvent(EventKind::kStop);
    spool_.reset();
  }

  // The statement, with nobody else there.
  void Damage(const std::string& sql) {
    Close();
    Sql(path_, sql);
  }

  std::vector<std::string> Findings() {
    Close();
    return Verify(path_).findings;
  }

  Spool& spool() { return *spool_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  const test::TempDir dir_;
  const std::filesystem::path path_ = dir_ / "spool.db";
  std::unique_ptr<Spool> spool_;
  std::uint64_t opens_ = 0;
};

// The id of a record of origin 1, in SQL.
inline std::string Id(Sequence sequence) {
  return std::to_string((std::int64_t{1} << 40) + static_cast<std::int64_t>(sequence));
}

}  // namespace doagent::spool
