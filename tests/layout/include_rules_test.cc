// Who may include whom, read off the #include lines of the source tree. The rules are those of
// docs/architecture.md: every hop is a spool, collector and uploader never meet, and each library
// from outside has its few places.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/paths.h"

namespace doagent {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

struct Include {
  std::string file;  // relative to the source folder
  int line = 0;
  std::string header;

  std::string Describe() const { return file + ":" + std::to_string(line) + " includes " + header; }
};

std::string FolderOf(const std::string& path) {
  return path.substr(0, path.find('/'));
}

std::vector<Include> AllIncludes(const std::vector<std::string>& folders) {
  static const std::regex kInclude(R"(^\s*#\s*include\s+["<]([^">]+)[">])");
  const fs::path root = test::SourceDir();
  std::vector<Include> includes;
  for (const auto& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (entry.path().extension() != ".h" && entry.path().extension() != ".cc") continue;
      std::ifstream file(entry.path());
      std::string text;
      for (int line = 1; std::getline(file, text); ++line) {
        std::smatch match;
        if (!std::regex_search(text, match, kInclude)) continue;
        includes.push_back({fs::relative(entry.path(), root).string(), line, match[1]});
      }
    }
  }
  return includes;
}

const std::set<std::string> kCodeFolders = {"proto", "spool", "collector", "uploader",
                                            "tools", "tests", "fuzz"};

// Folder -> the folders of ours that it may include besides itself.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"spool", {}},
    {"collector", {"spool"}},
    {"uploader", {"spool"}},
    {"tools", {"spool", "collector", "uploader"}}};

TEST(IncludeRulesTest, FoldersIncludeOnlyWhatTheyMay) {
  std::vector<std::string> broken;
  for (const auto& include : AllIncludes({"spool", "collector", "uploader", "tools"})) {
    const std::string from = FolderOf(include.file);
    const std::string to = FolderOf(include.header);
    if (kCodeFolders.count(to) == 0 || to == from) continue;
    if (kMayInclude.at(from).count(to) == 0) broken.push_back(include.Describe());
  }
  EXPECT_THAT(broken, IsEmpty());
}

TEST(IncludeRulesTest, TheCollectorKnowsTheModelAlone) {
  const std::set<std::string> allowed = {"spool/model.h", "spool/ids.h",   "spool/result.h",
                                         "spool/time.h",  "spool/check.h", "spool/utf8.h"};
  std::vector<std::string> broken;
  for (const auto& include : AllIncludes({"collector"})) {
    if (FolderOf(include.header) == "spool" && allowed.count(include.header) == 0) {
      broken.push_back(include.Describe());
    }
  }
  EXPECT_THAT(broken, IsEmpty());
}

struct Library {
  const char* name;
  const char* header;                // what an include of it begins with
  std::vector<std::string> allowed;  // what a file that may include it begins with
};

class LibraryRulesTest : public ::testing::TestWithParam<Library> {};

TEST_P(LibraryRulesTest, IsIncludedInItsPlacesOnly) {
  std::vector<std::string> broken;
  for (const auto& include : AllIncludes({"spool", "collector", "uploader", "tools"})) {
    if (include.header.rfind(GetParam().header, 0) != 0) continue;
    bool allowed = false;
    for (const auto& place : GetParam().allowed) allowed |= include.file.rfind(place, 0) == 0;
    if (!allowed) broken.push_back(include.Describe());
  }
  EXPECT_THAT(broken, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    All, LibraryRulesTest,
    ::testing::Values(
        Library{"Sqlite", "sqlite3.h", {"spool/sqlite"}}, Library{"Zstd", "zstd", {"spool/codec."}},
        Library{"Xxhash", "xxhash", {"spool/digest."}},
        Library{"Grpc", "grpc", {"uploader/grpc_", "tools/do-agent-receiver/"}},
        Library{"Protobuf", "google/protobuf", {"spool/", "uploader/wire"}},
        Library{"IngestMessages", "doagent/v1/ingest", {"uploader/", "tools/do-agent-receiver/"}},
        Library{"StorageMessages", "doagent/v1/storage", {"spool/", "uploader/wire"}},
        Library{"Spdlog", "spdlog", {"tools/"}},
        Library{"CommandLine", "CLI/", {"tools/cli/command_line."}},
        Library{"Toml", "toml++", {"tools/cli/"}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(LayoutTest, CodeLivesInItsFoldersAlone) {
  std::vector<std::string> strays;
  const fs::path root = test::SourceDir();
  const std::set<std::string> not_ours = {"build", ".git", "docs", "packaging"};
  for (const auto& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_directory() || kCodeFolders.count(name) != 0 || not_ours.count(name) != 0) {
      continue;
    }
    for (const auto& file : fs::recursive_directory_iterator(entry.path())) {
      const auto extension = file.path().extension();
      if (extension == ".cc" || extension == ".h" || extension == ".proto") {
        strays.push_back(fs::relative(file.path(), root).string());
      }
    }
  }
  EXPECT_THAT(strays, IsEmpty());
}

TEST(LayoutTest, MainFilesAreShort) {
  const fs::path root = test::SourceDir();
  int programs = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root / "tools")) {
    if (entry.path().filename() != "main.cc") continue;
    ++programs;
    std::ifstream file(entry.path());
    const auto lines = std::count(std::istreambuf_iterator<char>(file), {}, '\n');
    EXPECT_LE(lines, 100) << entry.path();
  }
  EXPECT_EQ(programs, 3);
}

}  // namespace
}  // namespace doagent
