#include "tools/do-agent/upload_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "spool/spool.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace doagent::agent {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const ReceiverId kReceiver = *ReceiverId::FromHex("00112233445566778899aabbccddeeff");

// The far end, as the test plays it: what a transport was asked for, and what it answers.
class FakeEnd {
 public:
  std::function<void(FakeEnd&)> on_open = [](FakeEnd&) {};
  std::function<void(FakeEnd&, const uploader::OutgoingBatch&)> on_send = [](auto&, const auto&) {};

  void Say(uploader::TransportEvent event) {
    const std::lock_guard lock(mutex);
    events.push_back(std::move(event));
    changed.notify_all();
  }
  // Waits until so many sessions were opened.
  bool Opened(int count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, [&] { return opened >= count; });
  }
  bool Received(std::uint64_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, [&] { return received >= count; });
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<uploader::TransportEvent> events;
  bool woken = false;
  bool closed = false;
  int opened = 0;
  std::uint64_t received = 0;  // records
};

class FakeLink final : public uploader::Transport {
 public:
  explicit FakeLink(std::shared_ptr<FakeEnd> end) : end_(std::move(end)) {}

  void Open(const std::vector<spool::Claim>&) override {
    end_->on_open(*end_);
    Count([](FakeEnd& end) { ++end.opened; });
  }
  void Send(uploader::OutgoingBatch batch) override {
    end_->on_send(*end_, batch);
    Count([&](FakeEnd& end) { end.received += batch.records.size(); });
  }
  void Close() override {
    Count([](FakeEnd& end) {
      end.closed = true;
      end.events.clear();
    });
  }
  std::optional<uploader::TransportEvent> Wait(MonoTime deadline) override {
    std::unique_lock lock(end_->mutex);
    end_->changed.wait_for(lock, deadline - MonotonicNow(),
                           [this] { return end_->woken || !end_->events.empty(); });
    end_->woken = false;
    if (end_->events.empty()) return std::nullopt;
    auto event = std::move(end_->events.front());
    end_->events.pop_front();
    return event;
  }
  void Wake() override {
    Count([](FakeEnd& end) { end.woken = true; });
  }

 private:
  template <typename Change>
  void Count(const Change& change) {
    const std::lock_guard lock(end_->mutex);
    change(*end_);
    end_->changed.notify_all();
  }

  const std::shared_ptr<FakeEnd> end_;
};

uploader::TransportEvent Hello() {
  uploader::Welcome welcome;
  welcome.receiver = kReceiver;
  welcome.receiver_name = "rx";
  return welcome;
}

uploader::TransportEvent AckOf(const uploader::OutgoingBatch& batch) {
  uploader::Ack ack;
  ack.spool_id = batch.spool_id;
  for (const auto& record : batch.records) ack.ranges.Add({record.sequence, record.sequence});
  return ack;
}

class UploadThreadTest : public testing::Test {
 protected:
  void SetUp() override {
    spool::SpoolOptions options;
    options.path = folder_ / "spool.db";
    options.host.hostname = "h";
    options.host.machine_id = "m";
    options.program = "test";
    options.local = false;
    options.random = [this] { return random_(); };
    auto opened = spool::Spool::Open(options);
    ASSERT_TRUE(opened) << opened.error().Message();
    spool_ = *std::move(opened);
  }

  std::unique_ptr<UploadThread> Start(const std::vector<std::string>& urls) {
    std::vector<FallbackTransport::Choice> choices;
    for (const std::string& url : urls) {
      ends_.push_back(std::make_shared<FakeEnd>());
      choices.push_back({url, std::make_unique<FakeLink>(ends_.back())});
    }
    if (prepare_) prepare_();
    uploader::UploaderOptions options;
    options.random = [] { return 0.0; };
    options.backoff_min = 10ms;
    options.backoff_max = 20ms;
    return std::make_unique<UploadThread>(*spool_,
                                          std::make_unique<FallbackTransport>(std::move(choices)),
                                          std::move(options), ReadClocks, 10s, *log_);
  }

  void AppendEvent() {
    spool::Event event;
    event.kind = spool::EventKind::kGap;
    const auto appended = spool_->Append(event);
    ASSERT_TRUE(appended) << appended.error().Message();
  }

  // How long the call took is only compared with what it may not exceed by far.
  static bool EndsWithin(Nanoseconds limit, const std::function<void()>& call) {
    const MonoTime start = MonotonicNow();
    call();
    return MonotonicNow() - start < limit;
  }

  const test::TempDir folder_;
  std::mt19937_64 random_{1};
  std::ostringstream log_text_;
  std::shared_ptr<spdlog::logger> log_ =
      cli::MakeLogger("test", cli::LogLevel::kInfo, cli::LogStyle::kJournal,
                      std::make_shared<spdlog::sinks::ostream_sink_mt>(log_text_));
  std::unique_ptr<spool::Spool> spool_;
  std::vector<std::shared_ptr<FakeEnd>> ends_;
  std::function<void()> prepare_;
};

TEST_F(UploadThreadTest, DeliversWhatIsThereAndWhatIsAppended) {
  prepare_ = [this] {
    ends_[0]->on_open = [](FakeEnd& end) { end.Say(Hello()); };
    ends_[0]->on_send = [](FakeEnd& end, const auto& batch) { end.Say(AckOf(batch)); };
  };
  const auto upload = Start({"grpc://a:1"});
  ASSERT_TRUE(ends_[0]->Received(1));  // the spool's start event
  AppendEvent();
  ASSERT_TRUE(ends_[0]->Received(2)) << "an append must wake the thread";
  upload->Stop(20s);
  EXPECT_EQ(upload->final_status().counters.records_acknowledged, 2U);
  EXPECT_TRUE(ends_[0]->closed);
  EXPECT_EQ(log_text_.str(), "<6>delivery to grpc://a:1: connected to receiver rx\n");
}

TEST_F(UploadThreadTest, AStopWaitsForAcknowledgementsOfWhatIsOnItsWay) {
  std::optional<uploader::OutgoingBatch> held;
  prepare_ = [this, &held] {
    ends_[0]->on_open = [](FakeEnd& end) { end.Say(Hello()); };
    ends_[0]->on_send = [&held](FakeEnd&, const auto& batch) { held = batch; };
  };
  const auto upload = Start({"grpc://a:1"});
  ASSERT_TRUE(ends_[0]->Received(1));
  std::thread late([&] { ends_[0]->Say(AckOf(*held)); });
  upload->Stop(20s);
  late.join();
  EXPECT_EQ(upload->final_status().counters.records_acknowledged, 1U);
}

TEST_F(UploadThreadTest, AStopDoesNotWaitLongerThanItMay) {
  prepare_ = [this] { ends_[0]->on_open = [](FakeEnd& end) { end.Say(Hello()); }; };
  const auto upload = Start({"grpc://a:1"});
  ASSERT_TRUE(ends_[0]->Received(1));
  EXPECT_TRUE(EndsWithin(20s, [&] { upload->Stop(50ms); }));
  EXPECT_EQ(upload->final_status().counters.records_acknowledged, 0U);
}

TEST_F(UploadThreadTest, AStopWithoutASessionIsImmediate) {
  const auto upload = Start({"grpc://a:1"});
  ASSERT_TRUE(ends_[0]->Opened(1));
  EXPECT_TRUE(EndsWithin(30s, [&] { upload->Stop(1h); }));
}

TEST_F(UploadThreadTest, AfterTheStopAnAppendWakesNobody) {
  {
    const auto upload = Start({"grpc://a:1"});
    upload->Stop(0s);
    ends_[0]->woken = false;
    AppendEvent();
    EXPECT_FALSE(ends_[0]->woken);
  }
  AppendEvent();  // with the transport gone
}

TEST_F(UploadThreadTest, AFailedAttemptGoesToTheNextEndpointAndASessionsEndToTheFirst) {
  prepare_ = [this] {
    ends_[0]->on_open = [](FakeEnd& end) {
      end.Say(uploader::Closed{uploader::CloseReason::kUnreachable, "connection refused", {}});
    };
    ends_[1]->on_open = [](FakeEnd& end) { end.Say(Hello()); };
    ends_[1]->on_send = [this](FakeEnd& end, const auto& batch) {
      ends_[0]->Say(uploader::Heartbeat());  // what is left over of its session
      end.Say(AckOf(batch));
    };
  };
  const auto upload = Start({"grpc://a:1", "grpc://b:2"});
  ASSERT_TRUE(ends_[1]->Received(1));
  EXPECT_EQ(ends_[0]->opened, 1);
  EXPECT_TRUE(test::Eventually([this] {
    const std::lock_guard lock(ends_[0]->mutex);
    return ends_[0]->events.empty();
  })) << "nobody looks after the endpoint that was left";
  ends_[1]->Say(uploader::Closed{uploader::CloseReason::kUnreachable, "reset", {}});
  ASSERT_TRUE(ends_[0]->Opened(2)) << "the first endpoint has its turn again";
  ASSERT_TRUE(ends_[1]->Opened(2));
  upload->Stop(20s);
  EXPECT_THAT(log_text_.str(),
              AllOf(HasSubstr("<4>delivery to grpc://a:1: "), HasSubstr("connection refused"),
                    HasSubstr("delivery to grpc://b:2: connected to receiver rx")));
}

TEST_F(UploadThreadTest, AWishForAnotherIntervalIsLoggedOnce) {
  prepare_ = [this] {
    ends_[0]->on_open = [](FakeEnd& end) {
      end.Say(Hello());
      end.Say(uploader::Control{30s, 0ms});
      end.Say(uploader::Control{30s, 0ms});
    };
    ends_[0]->on_send = [](FakeEnd& end, const auto& batch) { end.Say(AckOf(batch)); };
  };
  const auto upload = Start({"grpc://a:1"});
  ASSERT_TRUE(ends_[0]->Received(1));
  upload->Stop(20s);
  const std::string line =
      "<6>the receiver would like a snapshot every 30s; this agent keeps to its own interval of "
      "10s\n";
  const std::size_t first = log_text_.str().find(line);
  ASSERT_NE(first, std::string::npos) << log_text_.str();
  EXPECT_EQ(log_text_.str().find(line, first + 1), std::string::npos);
}

TEST(MakeTransport, TakesEveryEndpoint) {
  DeliverySettings settings;
  settings.endpoints = {{true, {"::1", 4317}}, {false, {"127.0.0.1", 4318}}};
  settings.tls_ca = "/nowhere/ca.pem";  // only for the first; read when it is opened
  const auto transport = MakeTransport(settings);
  ASSERT_TRUE(transport) << transport.error().Message();
  EXPECT_EQ((*transport)->current_url(), "grpcs://[::1]:4317");
}

}  // namespace
}  // namespace doagent::agent
