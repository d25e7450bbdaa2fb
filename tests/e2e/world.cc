#include "tests/e2e/world.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <sstream>

namespace doagent::e2e {

using nlohmann::json;
using test::Process;
using test::ReadFile;

namespace {

constexpr const char* kListening = "listening on ";

// (origin, sequence) -> the line of the dump, without what differs between the two spools.
std::map<std::pair<std::string, std::uint64_t>, std::string> LinesByRecord(
    const std::string& dump) {
  std::map<std::pair<std::string, std::uint64_t>, std::string> lines;
  std::istringstream stream(dump);
  std::string line;
  while (std::getline(stream, line)) {
    json record = json::parse(line);
    const std::pair<std::string, std::uint64_t> name(record.at("origin"), record.at("sequence"));
    record.erase("state");
    const bool inserted = lines.emplace(name, record.dump()).second;
    EXPECT_TRUE(inserted) << "twice: " << line.substr(0, 200);
  }
  return lines;
}

}  // namespace

void World::StartReceiver(const Arguments& more) {
  const auto output = path("receiver.out");
  std::filesystem::remove(output);
  Arguments arguments = {"--spool", receiver_spool(), "--listen",
                         "127.0.0.1:" + std::to_string(port_)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  receiver_ = std::make_unique<Process>(
      "do-agent-receiver", Process::Options{arguments, {}, output, path("receiver.log")});
  ASSERT_TRUE(test::Eventually(
      [&] { return ReadFile(output).find('\n') != std::string::npos || !receiver_->Running(); }));
  const std::string line = ReadFile(output);
  ASSERT_EQ(line.rfind(kListening, 0), 0U) << line << ReceiverLog();
  port_ = static_cast<std::uint16_t>(std::stoi(line.substr(line.rfind(':') + 1)));
}

void World::StartAgent(const Arguments& more, const std::string& endpoint) {
  const std::string target =
      endpoint.empty() ? "grpc://127.0.0.1:" + std::to_string(port_) : endpoint;
  Arguments arguments = {"run",        "--spool",      agent_spool(),
                         "--endpoint", target,         "--interval",
                         "50ms",       "--collectors", "loadavg,stat,cpu,meminfo"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  agent_ =
      std::make_unique<Process>("do-agent", Process::Options{arguments, {}, {}, path("agent.log")});
}

std::optional<int> World::StopReceiver() {
  receiver_->Signal(SIGTERM);
  return receiver_->Wait();
}

std::optional<int> World::StopAgent() {
  agent_->Signal(SIGTERM);
  return agent_->Wait();
}

json World::Status(const std::filesystem::path& spool) const {
  const auto finished =
      test::RunToEnd("do-agent-spool", {"status", "--spool", spool, "--format", "json"});
  if (finished.status != 0) return json{{"origins", json::array()}, {"error", finished.errors}};
  return json::parse(finished.output);
}

std::string World::Dump(const std::filesystem::path& spool, const Arguments& more) const {
  Arguments arguments = {"dump", "--spool", spool, "--format", "json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const auto finished = test::RunToEnd("do-agent-spool", arguments);
  EXPECT_EQ(finished.status, 0) << finished.errors;
  return finished.output;
}

std::uint64_t World::LastSequence(const std::filesystem::path& spool) const {
  const json status = Status(spool);
  std::uint64_t last = 0;
  for (const auto& origin : status.at("origins")) {
    last = std::max(last, origin.at("last_sequence").get<std::uint64_t>());
  }
  return last;
}

bool World::ReceiverReaches(std::uint64_t sequence, std::chrono::milliseconds timeout) const {
  return test::Eventually([&] { return LastSequence(receiver_spool()) >= sequence; }, timeout);
}

void World::ExpectNothingLostOrDoubled() const {
  for (const auto& spool : {agent_spool(), receiver_spool()}) {
    const json status = Status(spool);
    ASSERT_EQ(status.at("origins").size(), 1U) << status.dump(2);
    EXPECT_TRUE(status.at("origins")[0].at("missing").empty()) << status.dump(2);
    EXPECT_EQ(status.at("origins")[0].at("parked_records"), 0) << status.dump(2);
  }
  const auto of_agent = LinesByRecord(Dump(agent_spool()));
  const auto of_receiver = LinesByRecord(Dump(receiver_spool()));
  EXPECT_FALSE(of_receiver.empty());
  for (const auto& [name, line] : LinesByRecord(Dump(agent_spool(), {"--state", "acknowledged"}))) {
    EXPECT_EQ(of_receiver.count(name), 1U) << "acknowledged, and not there: " << line;
  }
  for (const auto& [name, line] : of_receiver) {
    const auto found = of_agent.find(name);
    ASSERT_NE(found, of_agent.end()) << name.second;
    EXPECT_EQ(found->second, line);
  }
}

}  // namespace doagent::e2e
