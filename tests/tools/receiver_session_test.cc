// Sessions over a store that the test holds in its hand: order, limits, failures.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "doagent/v1/ingest.pb.h"
#include "tests/tools/receiver_session_support.h"

namespace doagent::receiver {
namespace {

using grpc::StatusCode;
using test::MakeTransport;
using test::Plaintext;
using test::RawClient;
using testing::HasSubstr;
using uploader::Ack;
using uploader::Closed;
using uploader::CloseReason;
using uploader::Heartbeat;
using uploader::Refused;
using uploader::RefuseReason;
using uploader::Welcome;

TEST_F(ReceiverSession, WelcomesAcknowledgesAndRefuses) {
  Start();
  const auto transport = MakeTransport(Plaintext(target()));
  transport->Open({ClaimOf('a'), ClaimOf('b', "clone", false)});
  const auto welcome = test::Expect<Welcome>(*transport);
  EXPECT_EQ(welcome.receiver, *ReceiverId::FromBytes(std::string(16, 'r')));
  EXPECT_EQ(welcome.receiver_name, "receiver");
  EXPECT_EQ(welcome.stored.size(), 2U);
  EXPECT_EQ(welcome.conflicts, std::vector<SpoolId>{SpoolIdOf('b')});
  EXPECT_EQ(welcome.window_bytes, std::uint64_t{4} << 20);
  EXPECT_EQ(welcome.batch_bytes_max, uploader::kBatchBytesMax);

  transport->Send(BatchOf('a', 1, {"x", "poison", "poison", "orphan", "y"}));
  EXPECT_EQ(test::Expect<Ack>(*transport).ranges, spool::RangeSet({{1, 1}, {5, 5}}));
  const auto poisonous = test::Expect<Refused>(*transport);
  EXPECT_EQ(poisonous.ranges, spool::RangeSet({{2, 3}})) << "neighbours in one message";
  EXPECT_EQ(poisonous.reason, RefuseReason::kPermanent);
  EXPECT_EQ(poisonous.detail, "poisonous");
  const auto orphan = test::Expect<Refused>(*transport);
  EXPECT_EQ(orphan.ranges, spool::RangeSet({{4, 4}}));
  EXPECT_EQ(orphan.reason, RefuseReason::kMissingObject);
  EXPECT_EQ(orphan.missing_objects, std::vector<ObjectId>{FakeStore::TestObject()});
}

TEST_F(ReceiverSession, AsksToRetryWhileTheDiskIsFull) {
  Start();
  const auto transport = MakeTransport(Plaintext(target()));
  transport->Open({ClaimOf('a')});
  test::Expect<Welcome>(*transport);
  store_.Fail(Error{ErrorCode::kEvict, "spool.db", "no space left on device"});
  transport->Send(BatchOf('a', 7, {"x", "y"}));
  const auto refused = test::Expect<Refused>(*transport);
  EXPECT_EQ(refused.reason, RefuseReason::kRetry);
  EXPECT_EQ(refused.ranges, spool::RangeSet({{7, 8}}));
  EXPECT_EQ(refused.retry_after, SessionOptions().retry_after);
  EXPECT_THAT(refused.detail, HasSubstr("no space left"));

  const auto newcomer = MakeTransport(Plaintext(target()));
  newcomer->Open({ClaimOf('b')});
  const auto closed = test::Expect<Closed>(*newcomer);
  EXPECT_EQ(closed.reason, CloseReason::kUnreachable);
  EXPECT_EQ(closed.retry_after, SessionOptions().retry_after);

  store_.Fail(std::nullopt);
  transport->Send(BatchOf('a', 7, {"x", "y"}));
  EXPECT_EQ(test::Expect<Ack>(*transport).ranges, spool::RangeSet({{7, 8}}));
}

TEST_F(ReceiverSession, SendsHeartbeatsWhileItWorks) {
  ServiceOptions options;
  options.tick = std::chrono::milliseconds(10);
  options.session.hello_ticks_max = 1'000'000;
  Start(std::move(options));
  const auto transport = MakeTransport(Plaintext(target()));
  transport->Open({ClaimOf('a')});
  test::Expect<Welcome>(*transport);
  store_.Hold();
  transport->Send(BatchOf('a', 1, {"x"}));
  test::Expect<Heartbeat>(*transport);
  test::Expect<Heartbeat>(*transport);
  store_.Release();
  for (;;) {  // as many heartbeats as were on their way
    const auto event = transport->Wait(test::Patience());
    ASSERT_TRUE(event);
    if (std::holds_alternative<Heartbeat>(*event)) continue;
    ASSERT_TRUE(std::holds_alternative<Ack>(*event));
    break;
  }
}

TEST_F(ReceiverSession, ReadsNoFurtherThanItsWindow) {
  ServiceOptions options;
  options.tick = std::chrono::milliseconds(10);
  options.session.hello_ticks_max = 1'000'000;
  options.session.window_bytes = 100'000;
  Start(std::move(options));
  const auto transport = MakeTransport(Plaintext(target()));
  transport->Open({ClaimOf('a')});
  test::Expect<Welcome>(*transport);
  store_.Hold();
  for (Sequence n = 1; n <= 20; ++n) {
    transport->Send(BatchOf('a', n, {std::string(40'000, 'x')}));
  }
  // Time enough for all of it to arrive, if it were read.
  for (int i = 0; i < 20; ++i) test::Expect<Heartbeat>(*transport);
  store_.Release();
  spool::RangeSet acknowledged;
  while (acknowledged.count() < 20) {
    const auto event = transport->Wait(test::Patience());
    ASSERT_TRUE(event);
    if (const auto* ack = std::get_if<Ack>(&*event)) acknowledged.Add(ack->ranges);
  }
  // Two fill the window all but, the third goes over it.
  EXPECT_LE(store_.largest_group(), 3U);
}

TEST_F(ReceiverSession, RefusesTheBatchesOfAForeignSpoolIdOnly) {
  Start();
  const auto transport = MakeTransport(Plaintext(target()));
  transport->Open({ClaimOf('a'), ClaimOf('f', "foreign", false)});
  EXPECT_EQ(test::Expect<Welcome>(*transport).stored.size(), 1U);
  transport->Send(BatchOf('f', 1, {"x"}));
  const auto refused = test::Expect<Refused>(*transport);
  EXPECT_EQ(refused.spool_id, SpoolIdOf('f'));
  EXPECT_EQ(refused.reason, RefuseReason::kPermanent);
  EXPECT_THAT(refused.detail, HasSubstr("another principal"));
  transport->Send(BatchOf('a', 1, {"x"}));
  test::Expect<Ack>(*transport);
}

TEST_F(ReceiverSession, DeniesAForeignCurrentSpoolId) {
  Start();
  const auto transport = MakeTransport(Plaintext(target()));
  transport->Open({ClaimOf('f', "foreign"), ClaimOf('a', "host", false)});
  const auto closed = test::Expect<Closed>(*transport);
  EXPECT_EQ(closed.reason, CloseReason::kUnauthenticated);
  EXPECT_THAT(closed.detail, HasSubstr("another principal"));
}

// --- Clients that break the protocol -------------------------------------------------------------

TEST_F(ReceiverSession, EndsABatchWithoutHello) {
  Start();
  RawClient client(target());
  client.Write(BatchBytes('a', 1));
  const auto status = client.Finish();
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("before Hello"));
}

TEST_F(ReceiverSession, EndsASecondHello) {
  Start();
  RawClient client(target());
  client.Write(HelloBytes({ClaimOf('a')}));
  ASSERT_TRUE(client.Read<Welcome>());
  client.Write(HelloBytes({ClaimOf('a')}));
  const auto status = client.Finish();
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("second Hello"));
}

TEST_F(ReceiverSession, EndsWhatIsNoMessage) {
  Start();
  for (const std::string& bytes : {std::string("\xFF\xFF"), std::string()}) {
    RawClient client(target());
    client.Write(bytes);
    EXPECT_EQ(client.Finish().error_code(), StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(ReceiverSession, EndsAMessageBeyondTheLimit) {
  Start();
  RawClient client(target());
  client.Write(std::string(uploader::kClientMessageBytesMax + 1, 'x'));
  EXPECT_EQ(client.Finish().error_code(), StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ReceiverSession, EndsABatchThatTheHelloDidNotClaim) {
  Start();
  RawClient client(target());
  client.Write(HelloBytes({ClaimOf('a')}));
  ASSERT_TRUE(client.Read<Welcome>());
  client.Write(BatchBytes('b', 1));
  const auto status = client.Finish();
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr(SpoolIdOf('b').Hex()));
}

TEST_F(ReceiverSession, EndsWhenTheStoreKnowsTheSpoolIdNoMore) {
  Start();
  const auto transport = MakeTransport(Plaintext(target()));
  transport->Open({ClaimOf('a')});
  test::Expect<Welcome>(*transport);
  transport->Send(BatchOf('a', 1, {"forgotten"}));
  const auto closed = test::Expect<Closed>(*transport);
  EXPECT_EQ(closed.reason, CloseReason::kUnreachable) << "it is tried again soon";
  EXPECT_THAT(closed.detail, HasSubstr(SpoolIdOf('a').Hex()));
  EXPECT_GT(closed.retry_after.count(), 0) << "it may come again";
}

TEST_F(ReceiverSession, RefusesAMalformedBatchAndGoesOn) {
  Start();
  RawClient client(target());
  client.Write(HelloBytes({ClaimOf('a')}));
  ASSERT_TRUE(client.Read<Welcome>());
  v1::ClientMessage message;
  ASSERT_TRUE(message.ParseFromString(BatchBytes('a', 1)));
  message.mutable_batch()->mutable_records(0)->set_encoding(9);
  client.Write(message.SerializeAsString());
  const auto refused = client.Read<Refused>();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reason, RefuseReason::kPermanent);
  EXPECT_EQ(refused->ranges, spool::RangeSet({{1, 1}}));
  client.Write(BatchBytes('a', 1));
  EXPECT_TRUE(client.Read<Ack>());
}

TEST_F(ReceiverSession, AnswersEverythingBeforeItEndsAStream) {
  Start();
  RawClient client(target());
  client.Write(HelloBytes({ClaimOf('a')}));
  ASSERT_TRUE(client.Read<Welcome>());
  store_.Hold();
  client.Write(BatchBytes('a', 1));
  client.Write(BatchBytes('a', 2));
  client.WritesDone();
  store_.Release();
  EXPECT_TRUE(client.Read<Ack>());
  EXPECT_TRUE(client.Read<Ack>());
  EXPECT_TRUE(client.Finish().ok());
}

TEST_F(ReceiverSession, EndsAClientThatSaysNothing) {
  ServiceOptions options;
  options.tick = std::chrono::milliseconds(5);
  options.session.hello_ticks_max = 3;
  Start(std::move(options));
  RawClient client(target());
  EXPECT_EQ(client.Finish().error_code(), StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(ReceiverSession, EndsAClientThatDoesNotReadItsAnswers) {
  ServiceOptions options;
  options.tick = std::chrono::milliseconds(50);  // two seconds for the Welcome, which is read
  options.session.hello_ticks_max = 1'000'000;
  Start(std::move(options));
  RawClient client(target());
  client.Write(HelloBytes({ClaimOf('a')}));
  ASSERT_TRUE(client.Read<Welcome>());
  uploader::OutgoingBatch batch;
  batch.spool_id = SpoolIdOf('a');
  for (Sequence n = 1; n <= 50'000; ++n) {
    spool::StoredRecord record;
    record.sequence = 2 * n;  // so that the ack takes more than the connection holds
    record.kind = spool::RecordKind::kEvent;
    batch.records.push_back(record);
  }
  const std::string bytes = *uploader::EncodeBatch(std::move(batch));
  while (client.Write(bytes)) {  // until the stream is cut
  }
  while (client.ReadAny()) {  // what had come before; the status is behind it
  }
  EXPECT_EQ(client.Finish().error_code(), StatusCode::CANCELLED) << "else it is our deadline's";
}

TEST_F(ReceiverSession, TakesSoManySessionsAndNoMore) {
  ServiceOptions options;
  options.sessions_max = 2;
  Start(std::move(options));
  auto first = MakeTransport(Plaintext(target()));
  const auto second = MakeTransport(Plaintext(target()));
  const auto third = MakeTransport(Plaintext(target()));
  first->Open({ClaimOf('a')});
  test::Expect<Welcome>(*first);
  second->Open({ClaimOf('b')});
  test::Expect<Welcome>(*second);
  third->Open({ClaimOf('c')});
  const auto closed = test::Expect<Closed>(*third);
  EXPECT_EQ(closed.reason, CloseReason::kOverloaded);
  EXPECT_EQ(closed.retry_after, ServiceOptions().full_retry_after);
  first.reset();
  while (service_->session_count() > 1) std::this_thread::yield();
  third->Open({ClaimOf('c')});
  test::Expect<Welcome>(*third);
}

TEST_F(ReceiverSession, OutlivesItsClientWhileTheStoreIsBusy) {
  Start();
  {
    const auto transport = MakeTransport(Plaintext(target()));
    transport->Open({ClaimOf('a')});
    test::Expect<Welcome>(*transport);
    store_.Hold();
    transport->Send(BatchOf('a', 1, {"x"}));
    transport->Send(BatchOf('a', 2, {"x"}));
    while (transport->Wait(std::chrono::steady_clock::now() + std::chrono::milliseconds(20))) {
    }
  }
  while (service_->session_count() > 0) std::this_thread::yield();
  store_.Release();  // the answers have nowhere to go, and nothing breaks
  const auto transport = MakeTransport(Plaintext(target()));
  transport->Open({ClaimOf('a')});
  test::Expect<Welcome>(*transport);
}

TEST_F(ReceiverSession, StopsWithSessionsOpen) {
  Start();
  const auto transport = MakeTransport(Plaintext(target()));
  transport->Open({ClaimOf('a')});
  test::Expect<Welcome>(*transport);
  service_->Stop();
  const auto closed = test::Expect<Closed>(*transport);
  EXPECT_EQ(closed.reason, CloseReason::kUnreachable);
  EXPECT_THAT(closed.detail, HasSubstr("stopping"));
  transport->Open({ClaimOf('a')});
  EXPECT_THAT(test::Expect<Closed>(*transport).detail, HasSubstr("stopping"));
}

}  // namespace
}  // namespace doagent::receiver
