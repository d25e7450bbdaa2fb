// The whole receiver in this process: real spools, real connections, real certificates.

#include "tools/do-agent-receiver/receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "spool/reader.h"
#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/receiver_support.h"
#include "uploader/uploader.h"

namespace doagent::receiver {
namespace {

using test::Expect;
using test::MakeTransport;
using test::PemPair;
using test::Plaintext;
using test::TestAgent;
using test::TestAuthority;
using testing::HasSubstr;
using uploader::Ack;
using uploader::Closed;
using uploader::CloseReason;
using uploader::Refused;
using uploader::RefuseReason;
using uploader::Welcome;

class ReceiverTest : public testing::Test {
 protected:
  ReceiverTest() {
    options_.spool = folder_ / "received.db";
    options_.listen = {"127.0.0.1", 0};
  }

  void Start() {
    receiver_.reset();
    auto receiver = Receiver::Start(options_, std::ref(random_), log_);
    ASSERT_TRUE(receiver) << receiver.error().Message();
    receiver_ = *std::move(receiver);
  }

  std::string target() const { return receiver_->address().Text(); }

  // Written under another name first, so that the change shows in the inode at once.
  void Write(const std::filesystem::path& path, const std::string& content) {
    const auto next = folder_ / "next";
    std::ofstream(next, std::ios::binary) << content;
    std::filesystem::rename(next, path);
  }

  // The sequences that the receiver has of a spool id, each once.
  spool::RangeSet Stored(const SpoolId& spool_id) {
    auto reader = spool::Reader::Open(options_.spool);
    EXPECT_TRUE(reader) << reader.error().Message();
    spool::RangeSet stored;
    spool::RecordFilter filter;
    filter.origin = spool_id;
    const auto visited = (*reader)->Visit(
        filter,
        [&](const spool::Record& record) {
          EXPECT_FALSE(stored.Contains(record.sequence)) << "stored twice";
          stored.Add({record.sequence, record.sequence});
          return true;
        },
        [](const Error& damage) { ADD_FAILURE() << damage.Message(); });
    EXPECT_TRUE(visited);
    return stored;
  }

  test::TempDir folder_;
  std::mt19937_64 random_{7};
  std::ostringstream log_text_;
  spdlog::logger log_{"test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_text_)};
  ReceiverOptions options_;
  std::unique_ptr<Receiver> receiver_;
};

// --- Storing -------------------------------------------------------------------------------------

TEST_F(ReceiverTest, StoresWhatAnAgentSendsOnceAndForGood) {
  Start();
  TestAgent agent(1);
  const auto transport = MakeTransport(Plaintext(target()));
  transport->Open(agent.claims());
  const auto first = Expect<Welcome>(*transport);
  EXPECT_FALSE(first.receiver.IsZero());
  ASSERT_EQ(first.stored.size(), 1U);
  EXPECT_TRUE(first.stored[0].ranges.empty());
  transport->Send(agent.Batch());
  EXPECT_EQ(Expect<Ack>(*transport).ranges, agent.All());
  transport->Send(agent.Batch());  // again
  EXPECT_EQ(Expect<Ack>(*transport).ranges, agent.All());
  EXPECT_EQ(Stored(agent.spool_id()), agent.All());

  transport->Close();
  Start();  // another process, the same file
  const auto again = MakeTransport(Plaintext(target()));
  again->Open(agent.claims());
  const auto second = Expect<Welcome>(*again);
  EXPECT_EQ(second.receiver, first.receiver);
  ASSERT_EQ(second.stored.size(), 1U);
  EXPECT_EQ(second.stored[0].ranges, agent.All());
  EXPECT_TRUE(second.conflicts.empty());
}

TEST_F(ReceiverTest, AStopThatLosesWhatWasStoredSaysSo) {
  Start();
  EXPECT_TRUE(receiver_->Stop());
  EXPECT_TRUE(receiver_->Stop()) << "is not a second stop";
  Start();
  std::filesystem::remove_all(options_.spool.parent_path());
  EXPECT_FALSE(receiver_->Stop());
  EXPECT_THAT(log_text_.str(), HasSubstr("is lost with its file"));
}

TEST_F(ReceiverTest, WhatWasStoredIsKeptThoughSomethingElseIsInItsPlace) {
  Start();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(options_.spool.string() + suffix);
  }
  // Somebody else's, which is not to be written over.
  std::ofstream(options_.spool) << std::string(5000, 'x');
  EXPECT_TRUE(receiver_->Stop());
  EXPECT_THAT(log_text_.str(), HasSubstr("what was removed is kept as"));
}

TEST_F(ReceiverTest, OneBadBatchHarmsNobodyElse) {
  Start();
  TestAgent bad(1);
  TestAgent good(2);
  const auto bad_transport = MakeTransport(Plaintext(target()));
  const auto good_transport = MakeTransport(Plaintext(target()));
  bad_transport->Open(bad.claims());
  good_transport->Open(good.claims());
  Expect<Welcome>(*bad_transport);
  Expect<Welcome>(*good_transport);

  auto damaged = bad.Batch();
  damaged.records[2].checksum ^= 1;
  bad_transport->Send(std::move(damaged));
  good_transport->Send(good.Batch());

  spool::RangeSet others = bad.All();
  others.Remove({3, 3});
  EXPECT_EQ(Expect<Ack>(*bad_transport).ranges, others);
  const auto refused = Expect<Refused>(*bad_transport);
  EXPECT_EQ(refused.ranges, spool::RangeSet({{3, 3}}));
  EXPECT_EQ(refused.reason, RefuseReason::kPermanent);
  EXPECT_EQ(Expect<Ack>(*good_transport).ranges, good.All());

  bad_transport->Send(bad.Batch(3, 3));
  EXPECT_EQ(Expect<Ack>(*bad_transport).ranges, spool::RangeSet({{3, 3}}));
  EXPECT_EQ(Stored(bad.spool_id()), bad.All());
  EXPECT_EQ(Stored(good.spool_id()), good.All());
}

TEST_F(ReceiverTest, AsksForObjectsThatItLacks) {
  Start();
  TestAgent agent(1);
  const auto transport = MakeTransport(Plaintext(target()));
  transport->Open(agent.claims());
  Expect<Welcome>(*transport);
  auto batch = agent.Batch();
  batch.objects.clear();
  transport->Send(std::move(batch));
  // The start event needs no object.
  EXPECT_EQ(Expect<Ack>(*transport).ranges, spool::RangeSet({{1, 1}}));
  const auto refused = Expect<Refused>(*transport);
  EXPECT_EQ(refused.reason, RefuseReason::kMissingObject);
  EXPECT_FALSE(refused.missing_objects.empty());
}

// Drains a spool through the real uploader, as the agent does.
void Drain(TestAgent& agent, const std::string& target, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  uploader::UploaderOptions options;
  options.random = [&random] { return std::uniform_real_distribution<>()(random); };
  options.batch_bytes_max = 4096;
  const auto transport = MakeTransport(Plaintext(target));
  uploader::Uploader uploader(agent.spool(), *transport, std::move(options));
  const auto deadline = test::Patience();
  const auto step = [&](std::optional<uploader::TransportEvent> event) {
    uploader.Step(std::chrono::steady_clock::now(), std::chrono::system_clock::now(),
                  std::move(event));
  };
  step(std::nullopt);
  while (!uploader.Status().drained && std::chrono::steady_clock::now() < deadline) {
    step(transport->Wait(std::min<MonoTime>(uploader.NextDeadline(), deadline)));
  }
  EXPECT_TRUE(uploader.Status().drained) << uploader.Status().last_error;
}

TEST_F(ReceiverTest, TakesManyAgentsAtOnce) {
  Start();
  std::vector<std::unique_ptr<TestAgent>> agents;
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 4; ++i) agents.push_back(std::make_unique<TestAgent>(i, 100));
  for (std::uint64_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { Drain(*agents[i], target(), i); });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& agent : agents) EXPECT_EQ(Stored(agent->spool_id()), agent->All());
}

TEST_F(ReceiverTest, StopsUnderLoadAndHasWhatItAcknowledged) {
  Start();
  TestAgent agent(1, 200);
  const auto transport = MakeTransport(Plaintext(target()));
  transport->Open(agent.claims());
  Expect<Welcome>(*transport);
  for (Sequence n = 1; n <= 200; ++n) transport->Send(agent.Batch(n, n));
  spool::RangeSet acknowledged = Expect<Ack>(*transport).ranges;
  std::thread stopper([this] { receiver_->Stop(); });
  for (;;) {
    const auto event = transport->Wait(test::Patience());
    if (!event || std::holds_alternative<Closed>(*event)) break;
    if (const auto* ack = std::get_if<Ack>(&*event)) acknowledged.Add(ack->ranges);
  }
  stopper.join();
  receiver_.reset();
  const spool::RangeSet stored = Stored(agent.spool_id());
  for (const auto range : acknowledged.ToVector()) EXPECT_TRUE(stored.Contains(range));
}

// --- Starting ------------------------------------------------------------------------------------

TEST_F(ReceiverTest, SaysWhyItCannotListen) {
  Start();
  ReceiverOptions other = options_;
  other.spool = folder_ / "other.db";
  other.listen = receiver_->address();
  const auto taken = Receiver::Start(other, std::ref(random_), log_);
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().code, ErrorCode::kRefuse);
  EXPECT_THAT(taken.error().Message(),
              testing::AllOf(HasSubstr("--listen " + target()), HasSubstr("in use")));
}

TEST_F(ReceiverTest, LeavesAnotherReceiversSpoolAlone) {
  Start();
  const auto second = Receiver::Start(options_, std::ref(random_), log_);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().code, ErrorCode::kRefuse) << "the command line is all right";
  EXPECT_THAT(second.error().Message(), HasSubstr(options_.spool.string()));
}

TEST_F(ReceiverTest, SaysWhichSettingIsWrong) {
  const auto complaint = [this](const ReceiverOptions& options) {
    const auto receiver = Receiver::Start(options, std::ref(random_), log_);
    if (receiver) return std::string("started");
    EXPECT_EQ(receiver.error().code, ErrorCode::kRefuse);
    return receiver.error().Message();
  };
  ReceiverOptions tokens = options_;
  tokens.token_file = folder_ / "tokens";
  EXPECT_THAT(complaint(tokens), HasSubstr(tokens.token_file.string()));
  ReceiverOptions pair = options_;
  pair.tls_cert = folder_ / "server.crt";
  pair.tls_key = folder_ / "server.key";
  TestAuthority authority;
  Write(pair.tls_cert, authority.Issue("receiver").cert);
  EXPECT_THAT(complaint(pair), HasSubstr(pair.tls_key.string()));
  Write(pair.tls_key, authority.Issue("receiver").key);
  EXPECT_THAT(complaint(pair), HasSubstr(pair.tls_key.string()));
  EXPECT_FALSE(std::filesystem::exists(options_.spool)) << "looked at before anything is made";
}

// --- Who may send --------------------------------------------------------------------------------

class ReceiverTokensTest : public ReceiverTest {
 protected:
  ReceiverTokensTest() {
    options_.token_file = folder_ / "tokens";
    Write(options_.token_file, "web-1 one\nweb-2 two\nsite three relay\n");
  }

  std::unique_ptr<uploader::Transport> As(const std::string& token) {
    auto options = Plaintext(target());
    options.token_file = folder_ / "token";
    Write(options.token_file, token + "\n");
    return MakeTransport(options);
  }

  // What a client with the token gets for its Hello: "welcome", or the reason.
  std::string Knock(const std::string& token, TestAgent& agent) {
    const auto transport = As(token);
    transport->Open(agent.claims());
    const auto event = transport->Wait(test::Patience());
    if (event && std::holds_alternative<Welcome>(*event)) return "welcome";
    const auto* closed = event ? std::get_if<Closed>(&*event) : nullptr;
    if (closed == nullptr) return "something else";
    EXPECT_EQ(closed->reason, CloseReason::kUnauthenticated);
    return closed->detail;
  }
};

TEST_F(ReceiverTokensTest, LetsInWhoHasOne) {
  Start();
  TestAgent agent(1);
  EXPECT_EQ(Knock("one", agent), "welcome");
  EXPECT_THAT(Knock("four", agent), HasSubstr("not known"));
  const auto without = MakeTransport(Plaintext(target()));
  without->Open(agent.claims());
  EXPECT_EQ(Expect<Closed>(*without).reason, CloseReason::kUnauthenticated);
  EXPECT_THAT(log_text_.str(), HasSubstr("refused ipv4:127.0.0.1"));
}

TEST_F(ReceiverTokensTest, ASpoolIdBelongsToWhoCameFirst) {
  Start();
  TestAgent agent(1);
  EXPECT_EQ(Knock("one", agent), "welcome");
  EXPECT_THAT(Knock("two", agent), HasSubstr("another principal"));
  EXPECT_EQ(Knock("three", agent), "welcome") << "a relay may write any";
  EXPECT_EQ(Knock("one", agent), "welcome");
}

TEST_F(ReceiverTokensTest, AreReplacedWithoutARestart) {
  Start();
  TestAgent agent(1);
  EXPECT_EQ(Knock("one", agent), "welcome");
  Write(options_.token_file, "web-1 new\n");
  EXPECT_EQ(Knock("new", agent), "welcome");
  EXPECT_THAT(Knock("one", agent), HasSubstr("not known"));
  Write(options_.token_file, "web-1 new too many words\n");
  EXPECT_EQ(Knock("new", agent), "welcome");
  EXPECT_THAT(log_text_.str(), HasSubstr("stay in force"));
}

class ReceiverTlsTest : public ReceiverTest {
 protected:
  ReceiverTlsTest() {
    options_.tls_cert = folder_ / "server.crt";
    options_.tls_key = folder_ / "server.key";
    WriteServerPair(authority_.Issue("receiver", "IP:127.0.0.1"));
  }

  void WriteServerPair(const PemPair& pair) {
    Write(options_.tls_cert, pair.cert);
    Write(options_.tls_key, pair.key);
  }

  // A client that trusts the authority, with a certificate of its own or none.
  std::unique_ptr<uploader::Transport> Client(const TestAuthority& trusted,
                                              const std::optional<PemPair>& pair) {
    uploader::GrpcTransportOptions options;
    options.target = target();
    options.tls_ca = folder_ / "ca.crt";
    Write(options.tls_ca, trusted.cert_pem());
    if (pair) {
      options.tls_cert = folder_ / "client.crt";
      options.tls_key = folder_ / "client.key";
      Write(options.tls_cert, pair->cert);
      Write(options.tls_key, pair->key);
    }
    return MakeTransport(options);
  }

  std::string Knock(uploader::Transport& transport, TestAgent& agent) {
    transport.Open(agent.claims());
    const auto event = transport.Wait(test::Patience());
    transport.Close();
    if (event && std::holds_alternative<Welcome>(*event)) return "welcome";
    const auto* closed = event ? std::get_if<Closed>(&*event) : nullptr;
    return closed == nullptr ? "something else" : closed->detail;
  }

  TestAuthority authority_;
};

TEST_F(ReceiverTlsTest, TheCertificatesSubjectIsThePrincipal) {
  TestAuthority fleet;
  options_.tls_client_ca = folder_ / "fleet.crt";
  Write(options_.tls_client_ca, fleet.cert_pem());
  Start();
  TestAgent agent(1);
  EXPECT_EQ(Knock(*Client(authority_, fleet.Issue("web-1")), agent), "welcome");
  EXPECT_EQ(Knock(*Client(authority_, fleet.Issue("web-1")), agent), "welcome") << "renewed";
  EXPECT_THAT(Knock(*Client(authority_, fleet.Issue("web-2")), agent),
              HasSubstr("another principal"));
  EXPECT_THAT(Knock(*Client(authority_, std::nullopt), agent),
              HasSubstr("client certificate is needed"));
  EXPECT_THAT(Knock(*Client(authority_, TestAuthority().Issue("web-1")), agent),
              testing::Not("welcome"));
}

TEST_F(ReceiverTlsTest, CertificatesAreReplacedWithoutARestart) {
  Start();
  TestAgent agent(1);
  TestAuthority next;
  EXPECT_EQ(Knock(*Client(authority_, std::nullopt), agent), "welcome");
  const PemPair renewed = next.Issue("receiver", "IP:127.0.0.1");
  Write(options_.tls_cert, renewed.cert);  // the key is not there yet
  EXPECT_EQ(Knock(*Client(authority_, std::nullopt), agent), "welcome");
  EXPECT_THAT(log_text_.str(), HasSubstr("stay in force"));
  Write(options_.tls_key, renewed.key);
  EXPECT_EQ(Knock(*Client(next, std::nullopt), agent), "welcome");
  EXPECT_THAT(Knock(*Client(authority_, std::nullopt), agent), testing::Not("welcome"));
}

}  // namespace
}  // namespace doagent::receiver
