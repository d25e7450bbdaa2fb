#include "uploader/grpc_process.h"

#include <grpc/grpc.h>
#include <grpc/support/log.h>

namespace doagent::uploader {

void SilenceGrpc() {
  gpr_set_log_function([](gpr_log_func_args*) {});
}

void KeepGrpc() {
  grpc_init();  // never matched by a grpc_shutdown: that is the point
}

}  // namespace doagent::uploader
