// The real programs, from /proc to an acknowledged, stored sample, through everything that goes
// wrong on the way.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <fstream>
#include <random>

#include "tests/e2e/world.h"
#include "tests/support/certificates.h"
#include "tests/support/tcp_proxy.h"

namespace doagent::e2e {
namespace {

using namespace std::chrono_literals;
using test::Eventually;
using test::TcpProxy;
using test::TestAuthority;
using test::WriteFile;
using ::testing::HasSubstr;

TEST(DeliveryTest, SamplesArriveAndAreAcknowledged) {
  World world;
  world.StartReceiver();
  world.StartAgent();
  ASSERT_TRUE(world.ReceiverReaches(20)) << world.AgentLog();
  EXPECT_TRUE(Eventually([&] {
    return world.Status(world.agent_spool())["origins"][0]["acknowledged_records"] >= 20;
  })) << world.AgentLog();
  EXPECT_EQ(world.StopAgent(), 0) << world.AgentLog();
  EXPECT_EQ(world.StopReceiver(), 0) << world.ReceiverLog();
  world.ExpectNothingLostOrDoubled();
  EXPECT_THAT(world.Dump(world.agent_spool()), HasSubstr("\"stop\""));
}

TEST(DeliveryTest, AnOutageDelaysAndLosesNothing) {
  World world;
  world.StartReceiver();
  world.StartAgent();
  ASSERT_TRUE(world.ReceiverReaches(10)) << world.AgentLog();
  EXPECT_EQ(world.StopReceiver(), 0);
  const auto before = world.LastSequence(world.agent_spool());
  ASSERT_TRUE(Eventually([&] { return world.LastSequence(world.agent_spool()) >= before + 40; }));
  const auto status = world.Status(world.agent_spool());
  EXPECT_GE(status["origins"][0]["pending_records"], 30) << status.dump(2);
  EXPECT_TRUE(status["origins"][0]["oldest_pending_unix_ms"].is_number());
  world.StartReceiver();
  ASSERT_TRUE(world.ReceiverReaches(before + 40)) << world.AgentLog();
  world.StopAgent();
  world.ExpectNothingLostOrDoubled();
}

TEST(DeliveryTest, KillingEitherSideAtAnyMomentLosesNothing) {
  World world;
  world.StartReceiver();
  world.StartAgent();
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::uint64_t reached = 0;
  for (int round = 0; round < 6; ++round) {
    const std::uint64_t target = reached + 3 + random() % 12;
    ASSERT_TRUE(Eventually([&] { return world.LastSequence(world.agent_spool()) >= target; }))
        << world.AgentLog();
    reached = target;
    if (round % 2 == 0) {
      world.KillReceiver();
      world.StartReceiver();
    } else {
      world.KillAgent();
      world.StartAgent();
    }
  }
  ASSERT_TRUE(world.ReceiverReaches(world.LastSequence(world.agent_spool()))) << world.AgentLog();
  world.StopAgent();
  world.ExpectNothingLostOrDoubled();
}

TEST(DeliveryTest, WhatWasCollectedOfflineSurvivesAKillAndArrivesLater) {
  World world;
  world.StartReceiver();
  EXPECT_EQ(world.StopReceiver(), 0);
  world.StartAgent();
  ASSERT_TRUE(Eventually([&] { return world.LastSequence(world.agent_spool()) >= 20; }));
  world.KillAgent();
  const auto offline = world.LastSequence(world.agent_spool());
  world.StartReceiver();
  world.StartAgent();
  ASSERT_TRUE(world.ReceiverReaches(offline + 5)) << world.AgentLog();
  world.StopAgent();
  world.ExpectNothingLostOrDoubled();
}

TEST(DeliveryTest, AWrongTokenPausesAndTheRightOneDelivers) {
  World world;
  WriteFile(world.path("tokens"), "host-a secret-of-a\n");
  WriteFile(world.path("token"), "not-the-secret\n");
  world.StartReceiver({"--token-file", world.path("tokens")});
  world.StartAgent({"--token-file", world.path("token")});
  ASSERT_TRUE(Eventually([&] { return world.LastSequence(world.agent_spool()) >= 20; }));
  ASSERT_TRUE(Eventually([&] { return world.AgentLog().find("token") != std::string::npos; }))
      << world.AgentLog();
  EXPECT_EQ(world.LastSequence(world.receiver_spool()), 0U);
  const auto pending = world.Status(world.agent_spool())["origins"][0]["pending_records"];
  EXPECT_GE(pending, 20);
  // The secret itself is nobody's business.
  EXPECT_EQ(world.AgentLog().find("not-the-secret"), std::string::npos);
  world.StopAgent();
  WriteFile(world.path("token"), "secret-of-a\n");
  world.StartAgent({"--token-file", world.path("token")});
  ASSERT_TRUE(world.ReceiverReaches(25)) << world.AgentLog();
  world.StopAgent();
  world.ExpectNothingLostOrDoubled();
}

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteFile(world_.path("ca.pem"), authority_.cert_pem());
    WriteFile(world_.path("other-ca.pem"), other_.cert_pem());
    Write("server", authority_.Issue("localhost", "IP:127.0.0.1,DNS:localhost"));
    Write("client", authority_.Issue("host-a"));
    Write("stranger", other_.Issue("host-a"));
  }

  void Write(const std::string& name, const test::PemPair& pair) {
    WriteFile(world_.path(name + ".pem"), pair.cert);
    WriteFile(world_.path(name + ".key"), pair.key);
  }

  void StartReceiver(bool client_certificates) {
    World::Arguments arguments = {"--tls-cert", world_.path("server.pem"), "--tls-key",
                                  world_.path("server.key")};
    if (client_certificates) {
      arguments.insert(arguments.end(), {"--tls-client-ca", world_.path("ca.pem")});
    }
    world_.StartReceiver(arguments);
  }

  void StartAgent(const std::string& ca, const std::string& certificate = "") {
    World::Arguments arguments = {"--tls-ca", world_.path(ca)};
    if (!certificate.empty()) {
      arguments.insert(arguments.end(), {"--tls-cert", world_.path(certificate + ".pem"),
                                         "--tls-key", world_.path(certificate + ".key")});
    }
    world_.StartAgent(arguments, "grpcs://127.0.0.1:" + std::to_string(world_.port()));
  }

  // Collection goes on, nothing arrives, and the log says why.
  void ExpectKept(const std::string& said) {
    ASSERT_TRUE(Eventually([&] { return world_.LastSequence(world_.agent_spool()) >= 20; }));
    EXPECT_TRUE(Eventually([&] { return world_.AgentLog().find(said) != std::string::npos; }))
        << world_.AgentLog();
    EXPECT_EQ(world_.LastSequence(world_.receiver_spool()), 0U);
    EXPECT_EQ(world_.StopAgent(), 0);
    EXPECT_TRUE(world_.Status(world_.agent_spool())["origins"][0]["missing"].empty());
  }

  TestAuthority authority_;
  TestAuthority other_;
  World world_;
};

TEST_F(TlsTest, DeliversWithACertificateOnEitherSide) {
  StartReceiver(true);
  StartAgent("ca.pem", "client");
  ASSERT_TRUE(world_.ReceiverReaches(20)) << world_.AgentLog();
  world_.StopAgent();
  world_.ExpectNothingLostOrDoubled();
}

TEST_F(TlsTest, AServerOfAnotherAuthorityGetsNothing) {
  StartReceiver(false);
  StartAgent("other-ca.pem");
  ExpectKept("handshake failed");
}

TEST_F(TlsTest, AClientOfAnotherAuthorityIsNotHeard) {
  StartReceiver(true);
  StartAgent("ca.pem", "stranger");
  ExpectKept("ertificate");
}

TEST(DeliveryTest, AHalfOpenConnectionIsFoundAndLeft) {
  World world;
  world.StartReceiver();
  TcpProxy proxy(world.port());
  world.StartAgent({}, "grpc://127.0.0.1:" + std::to_string(proxy.port()));
  ASSERT_TRUE(world.ReceiverReaches(10)) << world.AgentLog();
  const std::size_t before = proxy.connections();
  proxy.Stall(true);
  const auto stalled_at = std::chrono::steady_clock::now();
  ASSERT_TRUE(Eventually([&] { return proxy.connections() > before; }, 50s)) << world.AgentLog();
  RecordProperty("found_after_ms",
                 static_cast<int>((std::chrono::steady_clock::now() - stalled_at) / 1ms));
  proxy.Stall(false);
  ASSERT_TRUE(world.ReceiverReaches(world.LastSequence(world.agent_spool()))) << world.AgentLog();
  world.StopAgent();
  world.ExpectNothingLostOrDoubled();
}

TEST(DeliveryTest, ManyAgentsShareAReceiver) {
  World world;
  world.StartReceiver();
  constexpr int kAgents = 4;
  std::vector<std::unique_ptr<test::Process>> agents;
  for (int i = 0; i < kAgents; ++i) {
    const std::string name = "agent-" + std::to_string(i);
    agents.push_back(std::make_unique<test::Process>(
        "do-agent",
        test::Process::Options{{"run", "--spool", world.path(name + ".db"), "--endpoint",
                                "grpc://127.0.0.1:" + std::to_string(world.port()), "--interval",
                                "100ms", "--collectors", "loadavg"},
                               {},
                               {},
                               world.path(name + ".log")}));
  }
  ASSERT_TRUE(Eventually([&] {
    const auto status = world.Status(world.receiver_spool());
    if (status["origins"].size() != kAgents) return false;
    for (const auto& origin : status["origins"]) {
      if (origin["last_sequence"] < 10 || !origin["missing"].empty()) return false;
    }
    return true;
  })) << world.ReceiverLog();
  for (auto& agent : agents) {
    agent->Signal(SIGTERM);
    EXPECT_EQ(agent->Wait(), 0);
  }
}

TEST(DeliveryTest, StoppingTakesLessThanTwoSecondsEvenWithoutAReceiver) {
  World world;
  world.StartReceiver();
  world.StartAgent();
  ASSERT_TRUE(world.ReceiverReaches(5));
  world.KillReceiver();
  world.agent().Signal(SIGTERM);
  EXPECT_EQ(world.agent().Wait(2s), 0) << world.AgentLog();
  EXPECT_THAT(world.Dump(world.agent_spool()), HasSubstr("\"stop\""));
}

}  // namespace
}  // namespace doagent::e2e
