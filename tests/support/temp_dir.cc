#include "tests/support/temp_dir.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

#include "spool/check.h"

namespace doagent::test {
namespace {

std::filesystem::path Parent(TempDir::Where where) {
  const char* const memory = "/dev/shm";
  const bool there = where == TempDir::Where::kMemory && access(memory, W_OK | X_OK) == 0;
  return there ? std::filesystem::path(memory) : std::filesystem::temp_directory_path();
}

}  // namespace

TempDir::TempDir(Where where) {
  std::string name = (Parent(where) / "do-agent-test-XXXXXX").string();
  DOAGENT_CHECK(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace doagent::test
