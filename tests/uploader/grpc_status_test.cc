#include "uploader/grpc_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

namespace doagent::uploader {
namespace {

using grpc::StatusCode;

CloseReason ReasonOf(StatusCode code, const std::string& message = "") {
  return ClosedFromStatus("host:1", grpc::Status(code, message), std::nullopt).reason;
}

TEST(GrpcStatus, OnlyAPersonHelpsWithCredentials) {
  EXPECT_EQ(ReasonOf(StatusCode::UNAUTHENTICATED), CloseReason::kUnauthenticated);
  EXPECT_EQ(ReasonOf(StatusCode::PERMISSION_DENIED), CloseReason::kUnauthenticated);
}

// The texts are those of gRPC 1.51 with OpenSSL 3.0.
TEST(GrpcStatus, TellsHandshakesApart) {
  const std::string prefix =
      "failed to connect to all addresses; last error: UNKNOWN: ipv4:192.0.2.1:4317: ";
  const auto reason = [&](const std::string& text) {
    return ReasonOf(StatusCode::UNAVAILABLE, prefix + text);
  };
  EXPECT_EQ(reason("Ssl handshake failed: SSL_ERROR_SSL: error:0A000086:SSL "
                   "routines::certificate verify failed"),
            CloseReason::kUnauthenticated);
  EXPECT_EQ(reason("Peer name receiver.example is not in peer certificate"),
            CloseReason::kUnauthenticated);
  EXPECT_EQ(reason("Hostname Verification Check failed."), CloseReason::kUnauthenticated);
  EXPECT_EQ(reason("Ssl handshake failed: SSL_ERROR_SSL: error:0A00010B:SSL routines::wrong "
                   "version number"),
            CloseReason::kProtocol);
  EXPECT_EQ(reason("Failed to connect to remote host: Connection refused"),
            CloseReason::kUnreachable);
  EXPECT_EQ(reason("Socket closed"), CloseReason::kUnreachable);
}

TEST(GrpcStatus, EveryCodeHasAReason) {
  EXPECT_EQ(ReasonOf(StatusCode::RESOURCE_EXHAUSTED, "all sessions are taken"),
            CloseReason::kOverloaded);
  EXPECT_EQ(ReasonOf(StatusCode::RESOURCE_EXHAUSTED,
                     "Received message larger than max (5000000 vs. 4194304)"),
            CloseReason::kProtocol);
  for (const StatusCode code :
       {StatusCode::UNIMPLEMENTED, StatusCode::INVALID_ARGUMENT, StatusCode::FAILED_PRECONDITION,
        StatusCode::OUT_OF_RANGE, StatusCode::NOT_FOUND, StatusCode::ALREADY_EXISTS,
        StatusCode::INTERNAL}) {
    EXPECT_EQ(ReasonOf(code), CloseReason::kProtocol) << code;
  }
  for (const StatusCode code :
       {StatusCode::OK, StatusCode::CANCELLED, StatusCode::UNKNOWN, StatusCode::DEADLINE_EXCEEDED,
        StatusCode::ABORTED, StatusCode::DATA_LOSS, StatusCode::UNAVAILABLE}) {
    EXPECT_EQ(ReasonOf(code), CloseReason::kUnreachable) << code;
  }
}

TEST(GrpcStatus, SaysWhatWasSaid) {
  const grpc::Status said(StatusCode::INVALID_ARGUMENT, "no\x1B[31m");
  EXPECT_EQ(ClosedFromStatus("host:1", said, std::nullopt).detail, "host:1: no?[31m");
  EXPECT_EQ(ClosedFromStatus("host:1", grpc::Status::OK, std::nullopt).detail,
            "host:1: the receiver ended the session");
  EXPECT_EQ(ClosedFromStatus("host:1", grpc::Status(StatusCode::UNKNOWN, ""), std::nullopt).detail,
            "host:1: gRPC status 2");
}

TEST(GrpcStatus, ReadsPushback) {
  const auto retry_after = [](const std::string& text) {
    return ClosedFromStatus("", grpc::Status(StatusCode::UNAVAILABLE, ""), text).retry_after;
  };
  EXPECT_EQ(retry_after("1500"), std::chrono::milliseconds(1500));
  EXPECT_EQ(retry_after("99999999999"), std::chrono::hours(24));
  for (const char* wrong : {"", "-5", "5s", "0x10", "99999999999999999999"}) {
    EXPECT_EQ(retry_after(wrong), std::chrono::milliseconds(0)) << wrong;
  }
}

}  // namespace
}  // namespace doagent::uploader
