// The programs' version, as --version prints it and spools name it.
#pragma once

namespace doagent::cli {

inline constexpr const char* kVersion = DOAGENT_VERSION;  // of project() in CMakeLists.txt

}  // namespace doagent::cli
