// What the documents name must be there: relative links, and files of this project in backticks.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

#include "tests/support/paths.h"

namespace doagent {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// `tests/run`, `docs/protocol.md`, `packaging/do-agent.toml --flag`: one of our folders, a slash
// and what a path consists of. `uploader/grpc_*` is a beginning, and not checked.
const std::regex kPath(
    R"(^((proto|spool|collector|uploader|tools|tests|fuzz|docs|packaging|\.ci)/[\w./-]+)( |$))");
const std::regex kLink(R"(\]\(([^)#]+)[)#])");
const std::regex kCode(R"(`([^`\n]+)`)");

std::vector<std::string> Matches(const std::string& text, const std::regex& what) {
  std::vector<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), what), end; match != end; ++match) {
    found.push_back((*match)[1]);
  }
  return found;
}

// What a document in `folder` names that is not below `root`.
std::vector<std::string> MissingIn(const std::string& text, const fs::path& folder,
                                   const fs::path& root) {
  std::vector<std::string> missing;
  for (const std::string& link : Matches(text, kLink)) {
    if (link.find("://") == std::string::npos && !fs::exists(folder / link)) {
      missing.push_back(link);
    }
  }
  for (const std::string& code : Matches(text, kCode)) {
    std::smatch path;
    if (std::regex_search(code, path, kPath) && !fs::exists(root / path[1].str())) {
      missing.push_back(path[1]);
    }
  }
  return missing;
}

TEST(Documents, NameOnlyWhatIsThere) {
  const fs::path root = test::SourceDir();
  int documents = 0;
  for (auto entry = fs::recursive_directory_iterator(root); entry != fs::end(entry); ++entry) {
    const std::string name = entry->path().filename().string();
    if (entry->is_directory() && (name == "build" || name == ".git")) {
      entry.disable_recursion_pending();
    }
    if (entry->path().extension() != ".md") continue;
    ++documents;
    std::ifstream file(entry->path());
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    EXPECT_THAT(MissingIn(text, entry->path().parent_path(), root), IsEmpty()) << entry->path();
  }
  EXPECT_GT(documents, 10);
}

TEST(Documents, AMissingNameIsSeen) {
  const fs::path root = test::SourceDir();
  EXPECT_THAT(MissingIn("[a](no.md) `tests/run` `tests/nothing --help` `tools/no_*` [b](docs/x#y)",
                        root, root),
              ElementsAre("no.md", "docs/x", "tests/nothing"));
}

}  // namespace
}  // namespace doagent
