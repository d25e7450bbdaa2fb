#include "uploader/grpc_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/tcp_proxy.h"
#include "tests/uploader/scripted_receiver.h"
#include "uploader/wire.h"

namespace doagent::uploader {
namespace {

using test::AcknowledgeAll;
using test::Greet;
using test::ScriptedReceiver;
using test::ServerStream;
using test::ToMessage;
using testing::HasSubstr;

// Longer than anything here takes: reached only when a test fails.
constexpr std::chrono::seconds kPatience{30};

MonoTime In(std::chrono::milliseconds span) {
  return std::chrono::steady_clock::now() + span;
}

SpoolId TestSpoolId() {
  return *SpoolId::FromBytes(std::string(16, 's'));
}

std::vector<spool::Claim> TestClaims() {
  spool::Claim claim;
  claim.spool_id = TestSpoolId();
  claim.current = true;
  claim.first_pending = 1;
  claim.head = 1000;
  return {claim};
}

OutgoingBatch TestBatch(Sequence sequence, std::size_t payload_bytes = 100) {
  OutgoingBatch batch;
  batch.spool_id = TestSpoolId();
  spool::StoredRecord record;
  record.sequence = sequence;
  record.kind = spool::RecordKind::kEvent;
  record.payload.assign(payload_bytes, 'p');
  batch.records.push_back(record);
  return batch;
}

GrpcTransportOptions Plaintext(const std::string& target) {
  GrpcTransportOptions options;
  options.target = target;
  options.tls = false;
  options.agent_version = "test";
  return options;
}

std::unique_ptr<Transport> Make(GrpcTransportOptions options) {
  auto transport = MakeGrpcTransport(std::move(options));
  EXPECT_TRUE(transport) << transport.error().Message();
  return *std::move(transport);
}

// The next event, which must be a T.
template <typename T>
T Expect(Transport& transport) {
  const auto event = transport.Wait(In(kPatience));
  if (!event) {
    ADD_FAILURE() << "no event";
    return T();
  }
  if (const auto* closed = std::get_if<Closed>(&*event); closed && !std::is_same_v<T, Closed>) {
    ADD_FAILURE() << "closed: " << closed->detail;
    return T();
  }
  if (!std::holds_alternative<T>(*event)) {
    ADD_FAILURE() << "another event: " << event->index();
    return T();
  }
  return std::get<T>(*event);
}

// --- The conversation ----------------------------------------------------------------------------

TEST(GrpcTransport, SaysHelloAndHandsOverWhatTheReceiverSays) {
  v1::Hello hello;
  ScriptedReceiver receiver([&](grpc::ServerContext&, ServerStream& stream) {
    hello = *Greet(stream);
    Refused refused;
    refused.spool_id = TestSpoolId();
    refused.ranges = spool::RangeSet({{3, 4}});
    refused.reason = RefuseReason::kRetry;
    refused.retry_after = std::chrono::seconds(7);
    stream.Write(ToMessage(EncodeAck({TestSpoolId(), spool::RangeSet({{1, 2}})}).at(0)));
    stream.Write(ToMessage(EncodeRefused(refused).at(0)));
    stream.Write(ToMessage(EncodeControl({std::chrono::seconds(20), {}})));
    stream.Write(ToMessage(EncodeHeartbeat()));
    return grpc::Status::OK;
  });
  const auto transport = Make(Plaintext(receiver.target()));
  transport->Open(TestClaims());
  EXPECT_EQ(Expect<Welcome>(*transport).receiver_name, "scripted");
  EXPECT_EQ(Expect<Ack>(*transport).ranges, spool::RangeSet({{1, 2}}));
  EXPECT_EQ(Expect<Refused>(*transport).retry_after, std::chrono::seconds(7));
  EXPECT_EQ(Expect<Control>(*transport).interval, std::chrono::seconds(20));
  Expect<Heartbeat>(*transport);
  const auto closed = Expect<Closed>(*transport);
  EXPECT_EQ(closed.reason, CloseReason::kUnreachable);
  EXPECT_THAT(closed.detail, HasSubstr("ended the session"));

  EXPECT_EQ(hello.protocol_version(), kProtocolVersion);
  EXPECT_EQ(hello.agent_version(), "test");
  ASSERT_EQ(hello.spools_size(), 1);
  EXPECT_EQ(hello.spools(0).spool_id(), TestSpoolId().bytes());
}

TEST(GrpcTransport, SendsBatchesInOrder) {
  ScriptedReceiver receiver(AcknowledgeAll);
  const auto transport = Make(Plaintext(receiver.target()));
  transport->Open(TestClaims());
  // Before the connection stands: they wait for it.
  for (Sequence n = 1; n <= 50; ++n) transport->Send(TestBatch(n, 100'000));
  Expect<Welcome>(*transport);
  for (Sequence n = 1; n <= 50; ++n) {
    EXPECT_EQ(Expect<Ack>(*transport).ranges, spool::RangeSet({{n, n}}));
  }
}

TEST(GrpcTransport, RefusesByItselfWhatNoReceiverTakes) {
  ScriptedReceiver receiver(AcknowledgeAll);
  const auto transport = Make(Plaintext(receiver.target()));
  transport->Open(TestClaims());
  Expect<Welcome>(*transport);
  transport->Send(TestBatch(5, spool::kRecordBytesMax + 1));
  const auto refused = Expect<Refused>(*transport);
  EXPECT_EQ(refused.reason, RefuseReason::kPermanent);
  EXPECT_EQ(refused.spool_id, TestSpoolId());
  EXPECT_EQ(refused.ranges, spool::RangeSet({{5, 5}}));
  EXPECT_THAT(refused.detail, HasSubstr("record 5"));
  transport->Send(TestBatch(6));
  EXPECT_EQ(Expect<Ack>(*transport).ranges, spool::RangeSet({{6, 6}})) << "the session goes on";
}

TEST(GrpcTransport, EndsASessionThatBreaksTheProtocol) {
  ScriptedReceiver receiver([&](grpc::ServerContext&, ServerStream& stream) {
    Greet(stream);
    v1::ServerMessage ack;
    ack.mutable_ack()->set_spool_id("not an id");
    stream.Write(ack);
    v1::ClientMessage message;
    while (stream.Read(&message)) {
    }
    return grpc::Status::OK;
  });
  const auto transport = Make(Plaintext(receiver.target()));
  transport->Open(TestClaims());
  Expect<Welcome>(*transport);
  const auto closed = Expect<Closed>(*transport);
  EXPECT_EQ(closed.reason, CloseReason::kProtocol);
  EXPECT_THAT(closed.detail, HasSubstr("spool_id"));
  EXPECT_FALSE(transport->Wait(In(std::chrono::milliseconds(0)))) << "one Closed is enough";
}

TEST(GrpcTransport, TakesNoMessageBeyondTheLimit) {
  ScriptedReceiver receiver([&](grpc::ServerContext&, ServerStream& stream) {
    Greet(stream);
    v1::ServerMessage refuse;
    refuse.mutable_refuse()->set_detail(std::string(kServerMessageBytesMax, 'x'));
    stream.Write(refuse);
    return grpc::Status::OK;
  });
  const auto transport = Make(Plaintext(receiver.target()));
  transport->Open(TestClaims());
  Expect<Welcome>(*transport);
  const auto closed = Expect<Closed>(*transport);
  EXPECT_EQ(closed.reason, CloseReason::kProtocol);
  EXPECT_THAT(closed.detail, HasSubstr("larger than max"));
}

TEST(GrpcTransport, HandsOverTheServersReasonAndPushback) {
  ScriptedReceiver receiver([&](grpc::ServerContext& context, ServerStream&) {
    context.AddTrailingMetadata(kRetryAfterKey, "45000");
    return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full\nhouse");
  });
  const auto transport = Make(Plaintext(receiver.target()));
  transport->Open(TestClaims());
  const auto closed = Expect<Closed>(*transport);
  EXPECT_EQ(closed.reason, CloseReason::kOverloaded);
  EXPECT_EQ(closed.retry_after, std::chrono::seconds(45));
  EXPECT_EQ(closed.detail, receiver.target() + ": full?house");
}

// --- Waiting and waking --------------------------------------------------------------------------

TEST(GrpcTransport, WaitEndsAtItsDeadline) {
  const auto transport = Make(Plaintext("127.0.0.1:1"));
  EXPECT_FALSE(transport->Wait(MonoTime::min()));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(transport->Wait(begin + std::chrono::milliseconds(30)));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(30));
}

TEST(GrpcTransport, WakesFromAnotherThread) {
  const auto transport = Make(Plaintext("127.0.0.1:1"));
  for (int round = 0; round < 20; ++round) {
    std::thread other([&] { transport->Wake(); });
    EXPECT_FALSE(transport->Wait(MonoTime::max()));  // only a wake-up ends this wait
    other.join();
  }
}

TEST(GrpcTransport, ManyWakesWhileNobodyWaitsAreOne) {
  const auto transport = Make(Plaintext("127.0.0.1:1"));
  std::vector<std::thread> others;
  for (int i = 0; i < 4; ++i) {
    others.emplace_back([&] {
      for (int n = 0; n < 100; ++n) transport->Wake();
    });
  }
  for (auto& other : others) other.join();
  EXPECT_FALSE(transport->Wait(MonoTime::max()));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(transport->Wait(begin + std::chrono::milliseconds(20)));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(20));
}

TEST(GrpcTransport, WakesDuringASessionLoseNothing) {
  ScriptedReceiver receiver(AcknowledgeAll);
  const auto transport = Make(Plaintext(receiver.target()));
  std::atomic<bool> done = false;
  std::thread other([&] {
    while (!done) {
      transport->Wake();
      std::this_thread::yield();
    }
  });
  transport->Open(TestClaims());
  for (Sequence n = 1; n <= 100; ++n) transport->Send(TestBatch(n));
  Sequence acknowledged = 0;
  const auto deadline = In(kPatience);
  while (acknowledged < 100 && std::chrono::steady_clock::now() < deadline) {
    const auto event = transport->Wait(deadline);
    if (event && std::holds_alternative<Ack>(*event)) ++acknowledged;
  }
  done = true;
  other.join();
  EXPECT_EQ(acknowledged, 100U);
}

// --- Closing -------------------------------------------------------------------------------------

TEST(GrpcTransport, ClosesAtEveryStage) {
  ScriptedReceiver receiver(AcknowledgeAll);
  const auto transport = Make(Plaintext(receiver.target()));
  transport->Close();  // nothing is open

  transport->Open(TestClaims());
  transport->Close();  // at once

  for (int polls = 0; polls < 12; ++polls) {  // somewhere on the way to the Welcome, or after it
    transport->Open(TestClaims());
    for (int i = 0; i < polls; ++i) {
      const auto event = transport->Wait(In(std::chrono::milliseconds(1)));
      ASSERT_TRUE(!event || std::holds_alternative<Welcome>(*event));
    }
    transport->Close();
    EXPECT_FALSE(transport->Wait(MonoTime::min())) << "no event of a session that was closed";
  }

  transport->Open(TestClaims());
  Expect<Welcome>(*transport);
  transport->Send(TestBatch(1));
  transport->Close();  // with a batch on its way

  transport->Open(TestClaims());
  Expect<Welcome>(*transport);
  transport->Send(TestBatch(2));
  EXPECT_EQ(Expect<Ack>(*transport).ranges, spool::RangeSet({{2, 2}}));
}

TEST(GrpcTransport, ClosesWhileTheReceiverReadsNothing) {
  ScriptedReceiver receiver([&](grpc::ServerContext& context, ServerStream& stream) {
    Greet(stream);
    while (!context.IsCancelled()) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  });
  auto transport = Make(Plaintext(receiver.target()));
  transport->Open(TestClaims());
  Expect<Welcome>(*transport);
  for (Sequence n = 1; n <= 10; ++n) transport->Send(TestBatch(n, spool::kRecordBytesMax));
  EXPECT_FALSE(transport->Wait(In(std::chrono::milliseconds(50))));
  transport->Close();
  transport->Open(TestClaims());
  Expect<Welcome>(*transport);
  for (Sequence n = 1; n <= 10; ++n) transport->Send(TestBatch(n, spool::kRecordBytesMax));
  transport.reset();  // without a Close
}

TEST(GrpcTransport, GoesWithAWakePending) {
  auto transport = Make(Plaintext("127.0.0.1:1"));
  transport->Wake();
  transport.reset();
}

TEST(GrpcTransport, DropsWhatIsSentAfterTheEnd) {
  ScriptedReceiver receiver([&](grpc::ServerContext&, ServerStream&) { return grpc::Status::OK; });
  const auto transport = Make(Plaintext(receiver.target()));
  transport->Open(TestClaims());
  Expect<Closed>(*transport);
  transport->Send(TestBatch(1));
  EXPECT_FALSE(transport->Wait(In(std::chrono::milliseconds(0))));
}

// --- Networks that fail --------------------------------------------------------------------------

TEST(GrpcTransport, TellsWhenNobodyListens) {
  int port = 0;
  { port = ScriptedReceiver(AcknowledgeAll).port(); }
  const auto transport = Make(Plaintext("127.0.0.1:" + std::to_string(port)));
  for (int attempt = 0; attempt < 3; ++attempt) {
    transport->Open(TestClaims());
    const auto closed = Expect<Closed>(*transport);
    EXPECT_EQ(closed.reason, CloseReason::kUnreachable);
    EXPECT_THAT(closed.detail, HasSubstr("refused"));
  }
}

TEST(GrpcTransport, GivesUpOnAPeerThatNeverAnswers) {
  ScriptedReceiver receiver(AcknowledgeAll);
  test::TcpProxy proxy(static_cast<std::uint16_t>(receiver.port()));
  proxy.Stall(true);
  auto options = Plaintext("127.0.0.1:" + std::to_string(proxy.port()));
  options.connect_timeout = std::chrono::milliseconds(300);
  const auto transport = Make(options);
  transport->Open(TestClaims());
  EXPECT_EQ(Expect<Closed>(*transport).reason, CloseReason::kUnreachable);
}

TEST(GrpcTransport, GivesUpOnAReceiverThatTakesTheHelloAndSaysNothing) {
  ScriptedReceiver receiver([&](grpc::ServerContext& context, ServerStream&) {
    while (!context.IsCancelled()) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  });
  auto options = Plaintext(receiver.target());
  options.connect_timeout = std::chrono::milliseconds(300);
  const auto transport = Make(options);
  transport->Open(TestClaims());
  const auto closed = Expect<Closed>(*transport);
  EXPECT_EQ(closed.reason, CloseReason::kUnreachable);
  EXPECT_THAT(closed.detail, HasSubstr("no answer"));
}

TEST(GrpcTransport, KeepaliveFindsAHalfOpenConnection) {
  ScriptedReceiver receiver(AcknowledgeAll);
  test::TcpProxy proxy(static_cast<std::uint16_t>(receiver.port()));
  auto options = Plaintext("127.0.0.1:" + std::to_string(proxy.port()));
  options.keepalive_time = std::chrono::milliseconds(200);
  options.keepalive_timeout = std::chrono::milliseconds(200);
  const auto transport = Make(options);
  transport->Open(TestClaims());
  Expect<Welcome>(*transport);
  proxy.Stall(true);
  EXPECT_EQ(Expect<Closed>(*transport).reason, CloseReason::kUnreachable);
}

TEST(GrpcTransport, ComesBackAfterACutConnection) {
  ScriptedReceiver receiver(AcknowledgeAll);
  test::TcpProxy proxy(static_cast<std::uint16_t>(receiver.port()));
  const auto transport = Make(Plaintext("127.0.0.1:" + std::to_string(proxy.port())));
  for (std::size_t round = 1; round <= 3; ++round) {
    transport->Open(TestClaims());
    Expect<Welcome>(*transport);
    transport->Send(TestBatch(round));
    Expect<Ack>(*transport);
    EXPECT_EQ(proxy.connections(), round) << "every session makes a connection of its own";
    proxy.Cut();
    EXPECT_EQ(Expect<Closed>(*transport).reason, CloseReason::kUnreachable);
  }
}

TEST(GrpcTransport, ComesBackAfterTheReceiverVanished) {
  auto receiver = std::make_unique<ScriptedReceiver>(AcknowledgeAll);
  const int port = receiver->port();
  const auto transport = Make(Plaintext(receiver->target()));
  transport->Open(TestClaims());
  Expect<Welcome>(*transport);
  receiver.reset();
  EXPECT_EQ(Expect<Closed>(*transport).reason, CloseReason::kUnreachable);
  transport->Open(TestClaims());
  EXPECT_EQ(Expect<Closed>(*transport).reason, CloseReason::kUnreachable);

  const ScriptedReceiver again(AcknowledgeAll, grpc::InsecureServerCredentials(), port);
  transport->Open(TestClaims());
  Expect<Welcome>(*transport);
}

// --- Options -------------------------------------------------------------------------------------

TEST(GrpcTransport, RefusesOptionsThatDoNotGoTogether) {
  GrpcTransportOptions no_port;
  no_port.target = "host";
  EXPECT_FALSE(MakeGrpcTransport(no_port));

  GrpcTransportOptions cert_alone;
  cert_alone.target = "host:1";
  cert_alone.tls_cert = "cert.pem";
  const auto refused = MakeGrpcTransport(cert_alone);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().where, "tls_cert");

  GrpcTransportOptions plaintext_ca = Plaintext("host:1");
  plaintext_ca.tls_ca = "ca.pem";
  EXPECT_FALSE(MakeGrpcTransport(plaintext_ca));
}

TEST(GrpcTransport, SaysWhenThereIsNothingToOffer) {
  const auto transport = Make(Plaintext("127.0.0.1:1"));
  transport->Open({});
  EXPECT_EQ(Expect<Closed>(*transport).reason, CloseReason::kProtocol);
}

}  // namespace
}  // namespace doagent::uploader
