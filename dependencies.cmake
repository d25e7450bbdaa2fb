# Every library from outside, once, as a target. All of them are Debian 12 packages.
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

# doagent_link_group(<target> <pkg-config module>...): an interface target for the static archives
# of the modules. They depend on each other in circles, so they stand in one group, each once.
function(doagent_link_group target)
  execute_process(
    COMMAND ${PKG_CONFIG_EXECUTABLE} --static --libs-only-l ${ARGN}
    OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  list(REMOVE_DUPLICATES flags)
  set(archives "")
  foreach(flag IN LISTS flags)
    string(REGEX REPLACE "^-l" "" name "${flag}")
    if(name MATCHES "^(grpc|gpr|upb|address_sorting|re2|cares|absl_)")
      find_library(archive_${name} NAMES lib${name}.a REQUIRED)
      list(APPEND archives ${archive_${name}})
    endif()
  endforeach()
  add_library(${target} INTERFACE)
  target_link_libraries(${target} INTERFACE
    -Wl,--start-group ${archives} -Wl,--end-group
    OpenSSL::SSL OpenSSL::Crypto z dl rt Threads::Threads)
endfunction()

# The lite runtime: no descriptors, half the code; libgrpc++ itself needs no protobuf.
find_library(PROTOBUF_LITE_ARCHIVE NAMES libprotobuf-lite.a REQUIRED)
add_library(doagent_ext_protobuf INTERFACE)
target_link_libraries(doagent_ext_protobuf INTERFACE ${PROTOBUF_LITE_ARCHIVE} Threads::Threads)

doagent_link_group(doagent_ext_grpc grpc++ re2)
# re2 alone, for what filters device names but sends nothing.
find_library(RE2_ARCHIVE NAMES libre2.a REQUIRED)
add_library(doagent_ext_re2 INTERFACE)
target_link_libraries(doagent_ext_re2 INTERFACE ${RE2_ARCHIVE} Threads::Threads)
