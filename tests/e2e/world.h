// The real programs on loopback, in a temporary folder: one agent, one receiver.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace doagent::e2e {

class World {
 public:
  using Arguments = std::vector<std::string>;

  // Starts (again) on the port of the first time and waits until it listens.
  void StartReceiver(const Arguments& more = {});
  // At 50 ms, with the receiver as endpoint unless another one is named.
  void StartAgent(const Arguments& more = {}, const std::string& endpoint = "");

  test::Process& receiver() { return *receiver_; }
  test::Process& agent() { return *agent_; }
  void KillReceiver() { receiver_->Kill(); }
  void KillAgent() { agent_->Kill(); }
  // SIGTERM, and the exit status.
  std::optional<int> StopReceiver();
  std::optional<int> StopAgent();

  std::uint16_t port() const { return port_; }
  std::filesystem::path path(const std::string& name) const { return dir_.path() / name; }
  std::filesystem::path agent_spool() const { return path("agent.db"); }
  std::filesystem::path receiver_spool() const { return path("receiver.db"); }
  std::string AgentLog() const { return test::ReadFile(path("agent.log")); }
  std::string ReceiverLog() const { return test::ReadFile(path("receiver.log")); }

  // `do-agent-spool status --format json`.
  nlohmann::json Status(const std::filesystem::path& spool) const;
  // `do-agent-spool dump --format json`.
  std::string Dump(const std::filesystem::path& spool, const Arguments& more = {}) const;

  // The last sequence of the only origin; 0: nothing yet.
  std::uint64_t LastSequence(const std::filesystem::path& spool) const;
  // The receiver has stored at least this sequence.
  bool ReceiverReaches(std::uint64_t sequence,
                       std::chrono::milliseconds timeout = std::chrono::seconds(40)) const;
  // Everything that the receiver has is what the agent has under the same sequences, nothing is
  // missing on either side, and nothing is there twice.
  void ExpectNothingLostOrDoubled() const;

 private:
  test::TempDir dir_;
  std::uint16_t port_ = 0;
  std::unique_ptr<test::Process> receiver_;
  std::unique_ptr<test::Process> agent_;
};

}  // namespace doagent::e2e
