#include "uploader/grpc_status.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "uploader/wire.h"

namespace doagent::uploader {

namespace {

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// gRPC 1.51 reports a failed TLS handshake as UNAVAILABLE like any lost connection; only the text
// tells that a person must look at certificates, or that the other end does not speak TLS.
CloseReason ReasonOfUnavailable(std::string_view message) {
  if (!Contains(message, "Ssl handshake failed") && !Contains(message, "Peer name") &&
      !Contains(message, "Hostname Verification Check failed")) {
    return CloseReason::kUnreachable;
  }
  return Contains(message, "wrong version number") ? CloseReason::kProtocol
                                                   : CloseReason::kUnauthenticated;
}

CloseReason Reason(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED: return CloseReason::kUnauthenticated;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      // The same code stands for a message beyond the limit of either end, which coming back later
      // does not help.
      return Contains(status.error_message(), "message larger than max") ? CloseReason::kProtocol
                                                                         : CloseReason::kOverloaded;
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::INTERNAL: return CloseReason::kProtocol;
    case grpc::StatusCode::UNAVAILABLE: return ReasonOfUnavailable(status.error_message());
    // OK: a receiver ends a session only to stop. CANCELLED, UNKNOWN and ABORTED are what a broken
    // connection or a proxy's restart may look like.
    default: return CloseReason::kUnreachable;
  }
}

std::chrono::milliseconds RetryAfter(const std::optional<std::string>& text) {
  std::int64_t ms = 0;
  if (!text) return std::chrono::milliseconds(0);
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), ms);
  if (error != std::errc() || end != text->data() + text->size()) {
    return std::chrono::milliseconds(0);
  }
  return std::chrono::milliseconds(std::clamp<std::int64_t>(ms, 0, kPeriodMax.count()));
}

}  // namespace

Closed ClosedFromStatus(const std::string& target, const grpc::Status& status,
                        const std::optional<std::string>& retry_after_ms) {
  std::string detail = CleanText(status.error_message(), kDetailBytesMax);
  if (detail.empty()) {
    detail = status.ok() ? "the receiver ended the session"
                         : "gRPC status " + std::to_string(status.error_code());
  }
  return {Reason(status), target + ": " + detail, RetryAfter(retry_after_ms)};
}

}  // namespace doagent::uploader
