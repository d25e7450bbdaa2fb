// Files that are no spool of ours: refused with a clear error, and left alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "spool/inbox.h"
#include "spool/reader.h"
#include "spool/spool.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {
namespace {

using test::TempDir;
using test::TestSpoolOptions;
using ::testing::HasSubstr;

struct BadFile {
  const char* name;
  std::function<void(const std::filesystem::path&)> make;
  const char* message;
  bool leaves_nothing = true;  // beside it
};

class BadFileTest : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadFileTest, IsRefusedAndLeftAlone) {
  const TempDir dir;
  const auto path = dir / "spool.db";
  GetParam().make(path);
  const auto spool = Spool::Open(TestSpoolOptions(path));
  ASSERT_FALSE(spool);
  EXPECT_THAT(spool.error().Message(), HasSubstr(GetParam().message));
  EXPECT_THAT(spool.error().Message(), HasSubstr("spool.db"));
  if (GetParam().leaves_nothing) {
    EXPECT_FALSE(std::filesystem::exists(path.string() + ".lock"));
  }
  const auto reader = Reader::Open(path);
  ASSERT_FALSE(reader);
  EXPECT_THAT(reader.error().Message(), HasSubstr("spool.db"));
}

void MakeForeignDatabase(const std::filesystem::path& path, int application_id, int version) {
  ASSERT_TRUE(Spool::Open(TestSpoolOptions(path)));
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto put = [&file](int offset, int value) {
    file.seekp(offset);
    for (int shift = 24; shift >= 0; shift -= 8) file.put(static_cast<char>(value >> shift));
  };
  put(60, version);  // the header's user_version and application_id, big endian
  put(68, application_id);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadFileTest,
    ::testing::Values(
        BadFile{"Text", [](const auto& path) { std::ofstream(path) << std::string(5000, 'x'); },
                "so no spool; name another path"},
        BadFile{"Garbage",
                [](const auto& path) { std::ofstream(path) << "SQLite format 3, or so"; },
                "so no spool; name another path"},
        BadFile{"Directory", [](const auto& path) { std::filesystem::create_directory(path); },
                "not a regular file"},
        BadFile{"Foreign", [](const auto& path) { MakeForeignDatabase(path, 7, 1); },
                "not a spool of do-agent", false},
        BadFile{"Newer", [](const auto& path) { MakeForeignDatabase(path, 0x646f6167, 99); },
                "newer do-agent (format 99", false}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(BadPathTest, AMissingFolderIsNamed) {
  const TempDir dir;
  const auto path = dir / "no" / "spool.db";
  const auto spool = Spool::Open(TestSpoolOptions(path));
  ASSERT_FALSE(spool);
  EXPECT_THAT(spool.error().Message(), HasSubstr("/no is not a folder"));
  const auto inbox = Inbox::Open({path, "test", [] { return 1; }});
  ASSERT_FALSE(inbox);
  EXPECT_EQ(inbox.error().Message(), spool.error().Message());
}

}  // namespace
}  // namespace doagent::spool
