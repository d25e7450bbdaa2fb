# Every library from outside, once, as a target. All of them are packages of Debian 12 and 13.
#
# gRPC, protobuf, absl, re2 and c-ares are linked statically: an idle TLS client then keeps 4 MB
# less resident. OpenSSL and zlib stay shared, so that the distribution's security fixes reach an
# installed agent. Debian's CMake package of gRPC knows only its shared libraries, hence pkg-config.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED) # protoc and protobuf_generate
find_package(spdlog REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(OpenSSL REQUIRED)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
find_path(TL_EXPECTED_INCLUDE_DIR tl/expected.hpp REQUIRED)
find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)
find_path(NLOHMANN_JSON_INCLUDE_DIR nlohmann/json.hpp REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

# doagent_static(<variable> <library>...): the libraries' static archives; where a distribution has
# none, its shared libraries.
function(doagent_static variable)
  set(files "")
  foreach(name IN LISTS ARGN)
    find_library(archive_${name} NAMES lib${name}.a ${name} REQUIRED)
    list(APPEND files ${archive_${name}})
  endforeach()
  set(${variable} ${files} PARENT_SCOPE)
endfunction()

# doagent_link_group(<target> <pkg-config module>...): an interface target for the libraries of the
# modules that are linked statically. They depend on each other in circles, so they stand in one
# group, each once.
function(doagent_link_group target)
  execute_process(
    COMMAND ${PKG_CONFIG_EXECUTABLE} --static --libs-only-l ${ARGN}
    OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  list(TRANSFORM flags REPLACE "^-l" "")
  list(FILTER flags INCLUDE REGEX "^(grpc|gpr|upb|address_sorting|re2|cares|absl_)")
  list(REMOVE_DUPLICATES flags)
  doagent_static(archives ${flags})
  add_library(${target} INTERFACE)
  target_link_libraries(${target} INTERFACE
    -Wl,--start-group ${archives} -Wl,--end-group Threads::Threads)
endfunction()

# The lite runtime: no descriptors, half the code; libgrpc++ itself needs no protobuf.
doagent_static(protobuf_lite protobuf-lite)
add_library(doagent_ext_protobuf INTERFACE)
target_link_libraries(doagent_ext_protobuf INTERFACE ${protobuf_lite} Threads::Threads)

# One group for both: CMake drops what it takes for repetitions, and two groups that share archives
# lose some of theirs. Of an archive only what is used is linked.
doagent_link_group(doagent_ext_archives grpc++ re2)
add_library(doagent_ext_grpc INTERFACE)
target_link_libraries(doagent_ext_grpc INTERFACE
  doagent_ext_archives OpenSSL::SSL OpenSSL::Crypto z dl rt)
# RE2 alone, for what filters device names but sends nothing. Since 2023 it is built on absl.
add_library(doagent_ext_re2 INTERFACE)
target_link_libraries(doagent_ext_re2 INTERFACE doagent_ext_archives)
