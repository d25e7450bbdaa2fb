// Tokens and certificates of the transport: good, wrong, half replaced.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <string>
#include <utility>

#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"
#include "tests/uploader/scripted_receiver.h"
#include "uploader/grpc_transport.h"

namespace doagent::uploader {
namespace {

using test::AcknowledgeAll;
using test::PemPair;
using test::ScriptedReceiver;
using test::ServerStream;
using test::TestAuthority;
using testing::HasSubstr;

void Write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

std::vector<spool::Claim> TestClaims() {
  spool::Claim claim;
  claim.spool_id = *SpoolId::FromBytes(std::string(16, 's'));
  claim.current = true;
  claim.first_pending = 1;
  return {claim};
}

// Opens a session and returns how it ended; "welcome" if it did not.
std::string Outcome(Transport& transport) {
  transport.Open(TestClaims());
  const auto event = transport.Wait(std::chrono::steady_clock::now() + std::chrono::seconds(30));
  transport.Close();
  if (!event) return "nothing";
  if (std::holds_alternative<Welcome>(*event)) return "welcome";
  const auto* closed = std::get_if<Closed>(&*event);
  if (closed == nullptr) return "another event";
  switch (closed->reason) {
    case CloseReason::kUnreachable: return "unreachable: " + closed->detail;
    case CloseReason::kUnauthenticated: return "unauthenticated: " + closed->detail;
    case CloseReason::kOverloaded: return "overloaded: " + closed->detail;
    case CloseReason::kProtocol: return "protocol: " + closed->detail;
  }
  return "";
}

std::unique_ptr<Transport> Make(const GrpcTransportOptions& options) {
  auto transport = MakeGrpcTransport(options);
  EXPECT_TRUE(transport) << transport.error().Message();
  return *std::move(transport);
}

// --- Tokens --------------------------------------------------------------------------------------

class GrpcTransportToken : public testing::Test {
 protected:
  GrpcTransportToken()
      : receiver_([](grpc::ServerContext& context, ServerStream& stream) {
          const auto found = context.client_metadata().find("authorization");
          if (found == context.client_metadata().end() || found->second != "Bearer right") {
            return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "the token is not known here");
          }
          return AcknowledgeAll(context, stream);
        }) {
    options_.target = receiver_.target();
    options_.tls = false;
    options_.token_file = folder_ / "token";
  }

  test::TempDir folder_;
  ScriptedReceiver receiver_;
  GrpcTransportOptions options_;
};

TEST_F(GrpcTransportToken, IsReadAtEveryOpen) {
  const auto transport = Make(options_);
  EXPECT_THAT(Outcome(*transport), HasSubstr("unauthenticated: " + options_.token_file.string()));
  Write(options_.token_file, "right\n");
  EXPECT_EQ(Outcome(*transport), "welcome");
  Write(options_.token_file, "wrong\n");
  EXPECT_THAT(Outcome(*transport), testing::AllOf(HasSubstr("unauthenticated: 127.0.0.1:"),
                                                  HasSubstr("not known here")));
  Write(options_.token_file, "  right  ");
  EXPECT_EQ(Outcome(*transport), "welcome");
}

TEST_F(GrpcTransportToken, MustBeOneWordOfVisibleCharacters) {
  const auto transport = Make(options_);
  for (const std::string& content : {std::string(), std::string(" \n"), std::string("two words"),
                                     std::string("l\xC3\xA4nge"), std::string(5000, 'x')}) {
    Write(options_.token_file, content);
    EXPECT_THAT(Outcome(*transport), HasSubstr("unauthenticated: " + options_.token_file.string()));
  }
}

// --- Certificates --------------------------------------------------------------------------------

class GrpcTransportTls : public testing::Test {
 protected:
  GrpcTransportTls() {
    options_.tls_ca = folder_ / "ca.crt";
    options_.tls_cert = folder_ / "client.crt";
    options_.tls_key = folder_ / "client.key";
    Write(options_.tls_ca, authority_.cert_pem());
    WriteClientPair(authority_.Issue("web-1"));
  }

  void WriteClientPair(const PemPair& pair) {
    Write(options_.tls_cert, pair.cert);
    Write(options_.tls_key, pair.key);
  }

  // A receiver that wants client certificates of authority_.
  std::unique_ptr<ScriptedReceiver> StartReceiver(const PemPair& pair) {
    grpc::SslServerCredentialsOptions ssl(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    ssl.pem_root_certs = authority_.cert_pem();
    ssl.pem_key_cert_pairs.push_back({pair.key, pair.cert});
    auto receiver =
        std::make_unique<ScriptedReceiver>(AcknowledgeAll, grpc::SslServerCredentials(ssl));
    options_.target = receiver->target();
    return receiver;
  }

  test::TempDir folder_;
  TestAuthority authority_;
  PemPair server_ = authority_.Issue("receiver", "IP:127.0.0.1");
  GrpcTransportOptions options_;
};

TEST_F(GrpcTransportTls, ConnectsWithCertificatesOnBothSides) {
  const auto receiver = StartReceiver(server_);
  EXPECT_EQ(Outcome(*Make(options_)), "welcome");
}

TEST_F(GrpcTransportTls, TrustsNoOtherAuthority) {
  const auto receiver = StartReceiver(server_);
  Write(options_.tls_ca, TestAuthority().cert_pem());
  EXPECT_THAT(Outcome(*Make(options_)), HasSubstr("unauthenticated: "));
}

TEST_F(GrpcTransportTls, TrustsNoCertificateOfAnotherHost) {
  const auto receiver = StartReceiver(authority_.Issue("receiver", "DNS:elsewhere.example"));
  EXPECT_THAT(Outcome(*Make(options_)), HasSubstr("unauthenticated: "));
}

// TLS 1.3 does not let the client know; the best that can be done is to name the possibility.
TEST_F(GrpcTransportTls, HintsAtACertificateThatIsNotAccepted) {
  const auto receiver = StartReceiver(server_);
  WriteClientPair(TestAuthority().Issue("web-1"));
  EXPECT_THAT(Outcome(*Make(options_)),
              testing::AllOf(HasSubstr("unreachable: "), HasSubstr("certificate is not accepted")));
}

TEST_F(GrpcTransportTls, SaysWhenTheOtherEndSpeaksPlaintext) {
  const ScriptedReceiver receiver(AcknowledgeAll);
  options_.target = receiver.target();
  EXPECT_THAT(Outcome(*Make(options_)), HasSubstr("protocol: "));
}

TEST_F(GrpcTransportTls, SaysWhichFileCannotBeUsed) {
  const auto receiver = StartReceiver(server_);
  const auto transport = Make(options_);
  std::filesystem::remove(options_.tls_ca);
  EXPECT_THAT(Outcome(*transport), HasSubstr("unauthenticated: " + options_.tls_ca.string()));
  Write(options_.tls_ca, "not a certificate");
  EXPECT_THAT(Outcome(*transport), HasSubstr("unauthenticated: " + options_.tls_ca.string()));
  const std::string whole = authority_.cert_pem();
  Write(options_.tls_ca, whole + whole.substr(0, whole.size() / 2));
  EXPECT_THAT(Outcome(*transport), HasSubstr("unauthenticated: " + options_.tls_ca.string()));
  Write(options_.tls_ca, whole);
  EXPECT_EQ(Outcome(*transport), "welcome");
}

TEST_F(GrpcTransportTls, UsesNoPairThatDoesNotFit) {
  const auto receiver = StartReceiver(server_);
  const PemPair other = authority_.Issue("web-2");
  Write(options_.tls_key, other.key);
  const auto transport = Make(options_);
  EXPECT_THAT(Outcome(*transport),
              testing::AllOf(HasSubstr("unauthenticated: "), HasSubstr(options_.tls_cert.string()),
                             HasSubstr(options_.tls_key.string())));
  Write(options_.tls_cert, other.cert);
  EXPECT_EQ(Outcome(*transport), "welcome");
}

TEST_F(GrpcTransportTls, KeepsThePairThatFittedWhileItIsReplaced) {
  const auto receiver = StartReceiver(server_);
  const auto transport = Make(options_);
  EXPECT_EQ(Outcome(*transport), "welcome");
  const PemPair next = authority_.Issue("web-1");
  Write(options_.tls_cert, next.cert);  // the key is not there yet
  EXPECT_EQ(Outcome(*transport), "welcome");
  Write(options_.tls_key, "");  // nor readable
  EXPECT_EQ(Outcome(*transport), "welcome");
  Write(options_.tls_key, next.key);
  EXPECT_EQ(Outcome(*transport), "welcome");
}

}  // namespace
}  // namespace doagent::uploader
