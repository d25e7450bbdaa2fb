# Warnings, hardening and sanitizers for our own code: targets link doagent_options.

add_library(doagent_options INTERFACE)
target_include_directories(doagent_options INTERFACE ${CMAKE_SOURCE_DIR})
# A warning is an error only with CMAKE_COMPILE_WARNING_AS_ERROR, which the presets for work on the
# code set: a compiler newer than ours warns of something new, and a user's build must not fail.
target_compile_options(doagent_options INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wpedantic)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC bugs 105651 and 105329: std::string's own functions warn of copies that cannot happen, the
  # last three when <string> is precompiled (12 and 14 do).
  target_compile_options(doagent_options INTERFACE
    -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
endif()
# The agent's working set counts more than the last percent of speed.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

# Position-independent executables, as CMake's own property for all targets.
include(CheckPIESupported)
check_pie_supported()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(DOAGENT_FUZZ)
  # The libraries need the coverage counters; only the targets get libFuzzer's main.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(DOAGENT_SANITIZE)
  # Line tables are all that a sanitizer's stack trace needs, and compile in half the time.
  set(CMAKE_CXX_FLAGS_DEBUG "-g1 -O1")
  add_compile_options(-fsanitize=${DOAGENT_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${DOAGENT_SANITIZE})
  if(DOAGENT_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
else()
  add_compile_options(-fstack-protector-strong)
  add_link_options(-Wl,-z,relro,-z,now)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    # Some distributions' compilers define it already.
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  else()
    add_compile_definitions(_GLIBCXX_ASSERTIONS)
  endif()
endif()

# What nearly every file includes, precompiled: a build from nothing takes a third less. No file may
# rely on it: tests/lint looks at each without it. Only with g++: what clang precompiles names the
# folder that it was made in, so that ccache could not share it between checkouts.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON)
endif()
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/precompiled.cc CONTENT "// A target needs a source.\n")
function(doagent_precompile target options)
  add_library(${target} OBJECT EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/precompiled.cc)
  target_link_libraries(${target} PRIVATE ${options})
  target_precompile_headers(${target} PRIVATE
    <algorithm> <chrono> <cstdint> <filesystem> <functional> <map> <memory> <optional> <ostream>
    <set> <sstream> <string> <string_view> <unordered_map> <utility> <variant> <vector>
    <tl/expected.hpp> ${ARGN})
endfunction()
doagent_precompile(doagent_precompiled doagent_options)

# doagent_library(<name> LINK <public>... PRIVATE <private>...): the folder's sources, main.cc apart,
# as one static library.
function(doagent_library name)
  cmake_parse_arguments(arg "" "" "PUBLIC;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC doagent_options ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  target_precompile_headers(${name} REUSE_FROM doagent_precompiled)
endfunction()

# doagent_program(<name> <library>...): the folder's main.cc. The target `programs` is all of them.
add_custom_target(programs)
function(doagent_program name)
  add_executable(${name} main.cc)
  add_dependencies(programs ${name})
  target_link_libraries(${name} PRIVATE ${ARGN})
  install(TARGETS ${name} RUNTIME)
endfunction()
