#include "tests/support/temp_dir.h"

#include <cstdlib>
#include <string>

#include "spool/check.h"

namespace doagent::test {

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "do-agent-test-XXXXXX").string();
  DOAGENT_CHECK(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace doagent::test
