// Where the sources and the built programs are. The compiler is told for one file alone, so that
// all others compile to the same objects in every checkout.
#pragma once

#include <filesystem>

namespace doagent::test {

std::filesystem::path SourceDir();
std::filesystem::path ProgramDir();

}  // namespace doagent::test
