# Warnings, hardening and sanitizers for our own code: targets link doagent_options.

add_library(doagent_options INTERFACE)
target_include_directories(doagent_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(doagent_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wpedantic -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC bug 105651: "literal" + std::string warns of an overlapping copy that cannot happen.
  target_compile_options(doagent_options INTERFACE -Wno-restrict)
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
    add_compile_definitions(_FORTIFY_SOURCE=2)
  else()
    add_compile_definitions(_GLIBCXX_ASSERTIONS)
  endif()
endif()

# doagent_library(<name> LINK <public>... PRIVATE <private>...): the folder's sources, main.cc apart,
# as one static library.
function(doagent_library name)
  cmake_parse_arguments(arg "" "" "PUBLIC;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC doagent_options ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
endfunction()

# doagent_program(<name> <library>...): the folder's main.cc.
function(doagent_program name)
  add_executable(${name} main.cc)
  target_link_libraries(${name} PRIVATE ${ARGN})
  install(TARGETS ${name} RUNTIME)
endfunction()
