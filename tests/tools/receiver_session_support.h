// Sessions of a receiver over a store that the test holds in its hand.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/null_sink.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/tools/receiver_support.h"
#include "tools/do-agent-receiver/server.h"
#include "tools/do-agent-receiver/service.h"
#include "tools/do-agent-receiver/session.h"
#include "tools/do-agent-receiver/store_queue.h"

namespace doagent::receiver {

// Stores nothing, says what the test wants, and can be held up.
class FakeStore {
 public:
  void Hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void Release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  void Fail(std::optional<Error> failure) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(failure);
  }
  std::size_t largest_group() {
    const std::lock_guard lock(mutex_);
    return largest_group_;
  }

  Store Functions() {
    Store store;
    store.add_claim = [this](const spool::Principal&,
                             const spool::Claim& claim) -> Result<spool::StoredClaim> {
      const std::lock_guard lock(mutex_);
      if (claim.host.hostname == "foreign") {
        return doagent::Fail(ErrorCode::kRefuse, "spool", "belongs to another principal");
      }
      if (failure_) return doagent::Fail(*failure_);
      return spool::StoredClaim{claim.spool_id, {}, claim.host.hostname == "clone"};
    };
    store.add_batches = [this](const std::vector<spool::IncomingBatch>& batches) {
      return AddBatches(batches);
    };
    return store;
  }

 private:
  Result<std::vector<spool::BatchOutcome>> AddBatches(
      const std::vector<spool::IncomingBatch>& batches) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !held_; });
    if (failure_) return doagent::Fail(*failure_);
    largest_group_ = std::max(largest_group_, batches.size());
    std::vector<spool::BatchOutcome> outcomes(batches.size());
    for (std::size_t i = 0; i < batches.size(); ++i) {
      for (const auto& record : batches[i].records) {
        const spool::SequenceRange range{record.sequence, record.sequence};
        if (record.payload == "poison") {
          outcomes[i].refused.push_back({range, spool::Refusal::kPermanent, "poisonous", {}});
        } else if (record.payload == "orphan") {
          outcomes[i].refused.push_back(
              {range, spool::Refusal::kMissingObject, "no key", {TestObject()}});
        } else if (record.payload == "forgotten") {
          outcomes[i].claimed = false;
        } else {
          outcomes[i].stored.Add(range);
        }
      }
    }
    return outcomes;
  }

 public:
  static ObjectId TestObject() { return *ObjectId::FromBytes(std::string(16, 'o')); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  std::optional<Error> failure_;
  std::size_t largest_group_ = 0;
};

inline SpoolId SpoolIdOf(char name) {
  return *SpoolId::FromBytes(std::string(16, name));
}

inline spool::Claim ClaimOf(char name, const std::string& hostname = "host", bool current = true) {
  spool::Claim claim;
  claim.spool_id = SpoolIdOf(name);
  claim.host.hostname = hostname;
  claim.current = current;
  claim.first_pending = 1;
  claim.head = 100;
  return claim;
}

inline uploader::OutgoingBatch BatchOf(char name, Sequence first,
                                       const std::vector<std::string>& payloads) {
  uploader::OutgoingBatch batch;
  batch.spool_id = SpoolIdOf(name);
  for (const auto& payload : payloads) {
    spool::StoredRecord record;
    record.sequence = first + batch.records.size();
    record.kind = spool::RecordKind::kEvent;
    record.payload = payload;
    batch.records.push_back(record);
  }
  return batch;
}

inline std::string HelloBytes(const std::vector<spool::Claim>& claims) {
  return *uploader::EncodeHello({"test", claims});
}

inline std::string BatchBytes(char name, Sequence sequence) {
  return *uploader::EncodeBatch(BatchOf(name, sequence, {"payload"}));
}

class ReceiverSession : public ::testing::Test {
 protected:
  void TearDown() override {
    store_.Release();
    if (service_) service_->Stop();
    if (listening_.server) listening_.server->Shutdown(std::chrono::system_clock::now());
    listening_.server.reset();
    service_.reset();
    queue_.reset();
  }

  void Start(ServiceOptions options = {}) {
    options.session.receiver = *ReceiverId::FromBytes(std::string(16, 'r'));
    options.session.receiver_name = "receiver";
    queue_ = std::make_unique<StoreQueue>(store_.Functions(), StoreQueueOptions());
    service_ = std::make_unique<Service>(std::move(options), *queue_, log_);
    auto listening =
        Listen({"127.0.0.1", 0}, {}, grpc::InsecureServerCredentials(), service_.get());
    ASSERT_TRUE(listening) << listening.error().Message();
    listening_ = *std::move(listening);
  }

  std::string target() const { return listening_.address.Text(); }

  FakeStore store_;
  spdlog::logger log_{"test", std::make_shared<spdlog::sinks::null_sink_mt>()};
  std::unique_ptr<StoreQueue> queue_;
  std::unique_ptr<Service> service_;
  Listening listening_;
};

}  // namespace doagent::receiver
