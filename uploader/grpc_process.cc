#include "uploader/grpc_process.h"

#include <grpc/grpc.h>
#include <grpc/support/log.h>

#include <cstdio>
#include <cstring>

namespace doagent::uploader {

void SilenceGrpc() {
  gpr_set_log_function([](gpr_log_func_args* args) {
    // The last words of a process that gRPC is about to abort.
    if (std::strncmp(args->message, "assertion failed", 16) == 0) {
      std::fprintf(stderr, "gRPC: %s:%d: %s\n", args->file, args->line, args->message);
    }
  });
}

void KeepGrpc() {
  grpc_init();  // never matched by a grpc_shutdown: that is the point
}

}  // namespace doagent::uploader
