// gRPC's status codes as reasons why a session ended. The one place where they are translated.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <optional>
#include <string>

#include "uploader/transport.h"

namespace doagent::uploader {

// retry_after: what the server's trailing metadata asked for, as text; nothing when it did not.
Closed ClosedFromStatus(const std::string& target, const grpc::Status& status,
                        const std::optional<std::string>& retry_after_ms);

}  // namespace doagent::uploader
