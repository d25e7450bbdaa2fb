#include "tests/support/paths.h"

namespace doagent::test {

std::filesystem::path SourceDir() {
  return DOAGENT_SOURCE_DIR;
}

std::filesystem::path ProgramDir() {
  return DOAGENT_BIN_DIR;
}

}  // namespace doagent::test
