#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tools/do-agent-receiver/store_queue.h"

namespace doagent::receiver {
namespace {

using testing::ElementsAre;

// What happens on the queue's thread, to be waited for.
class Journal {
 public:
  void Add(std::string entry) {
    const std::lock_guard lock(mutex_);
    entries_.push_back(std::move(entry));
    changed_.notify_all();
  }

  // All entries, once there are so many.
  std::vector<std::string> Await(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30),
                                  [&] { return entries_.size() >= count; }));
    return entries_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> entries_;
};

// A gate at which the store waits.
class Gate {
 public:
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void Pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

class Client final : public StoreClient {
 public:
  Client(std::string name, Journal& journal) : name_(std::move(name)), journal_(journal) {}

  void OnRegistered(std::vector<Result<spool::StoredClaim>> claims) override {
    journal_.Add(name_ + " registered " + std::to_string(claims.size()) +
                 (claims.at(0) ? "" : " " + claims.at(0).error().what));
  }
  void OnStored(const spool::IncomingBatch& batch, std::size_t bytes,
                const Result<spool::BatchOutcome>& outcome) override {
    journal_.Add(name_ + " " + std::to_string(batch.records.at(0).sequence) + " " +
                 (outcome ? "stored " + std::to_string(outcome->stored.count())
                          : "failed " + outcome.error().what) +
                 " " + std::to_string(bytes));
  }

 private:
  const std::string name_;
  Journal& journal_;
};

spool::IncomingBatch MakeBatch(Sequence sequence) {
  spool::IncomingBatch batch;
  batch.records.emplace_back().sequence = sequence;
  return batch;
}

class ReceiverStoreQueue : public testing::Test {
 protected:
  Store MakeStore() {
    Store store;
    store.add_claim = [this](const spool::Principal& principal,
                             const spool::Claim&) -> Result<spool::StoredClaim> {
      if (principal.name == "stranger") return Fail(ErrorCode::kRefuse, "", "not yours");
      if (failure_) return Fail(*failure_);
      return spool::StoredClaim{};
    };
    store.add_batches = [this](const std::vector<spool::IncomingBatch>& batches)
        -> Result<std::vector<spool::BatchOutcome>> {
      journal_.Add("transaction of " + std::to_string(batches.size()));
      if (gate_) gate_->Pass();
      if (failure_) return Fail(*failure_);
      std::vector<spool::BatchOutcome> outcomes(batches.size());
      for (std::size_t i = 0; i < batches.size(); ++i) {
        outcomes[i].stored.Add({batches[i].records[0].sequence, batches[i].records[0].sequence});
      }
      return outcomes;
    };
    return store;
  }

  StoreQueueOptions Options() {
    StoreQueueOptions options;
    options.health = [this](const std::optional<Error>& failure) {
      journal_.Add(failure ? "unhealthy: " + failure->what : "healthy");
    };
    return options;
  }

  std::shared_ptr<Client> NewClient(const std::string& name) {
    return std::make_shared<Client>(name, journal_);
  }

  Journal journal_;
  std::optional<Gate> gate_;
  std::optional<Error> failure_;  // changed only while the queue is idle
};

TEST_F(ReceiverStoreQueue, StoresTogetherWhatPilesUp) {
  gate_.emplace();
  StoreQueue queue(MakeStore(), Options());
  const auto a = NewClient("a");
  const auto b = NewClient("b");
  queue.Add(a, MakeBatch(1), 10);
  journal_.Await(1);  // the first transaction is at the gate
  queue.Add(b, MakeBatch(7), 20);
  queue.Add(a, MakeBatch(2), 30);
  queue.Register(b, {"b", false}, {spool::Claim()});
  queue.Add(b, MakeBatch(8), 40);
  gate_->Open();
  EXPECT_THAT(
      journal_.Await(8),
      ElementsAre("transaction of 1", "a 1 stored 1 10", "transaction of 2", "b 7 stored 1 20",
                  "a 2 stored 1 30", "b registered 1", "transaction of 1", "b 8 stored 1 40"));
}

TEST_F(ReceiverStoreQueue, LimitsATransaction) {
  gate_.emplace();
  StoreQueueOptions options = Options();
  options.group_bytes_max = 100;
  options.group_batches_max = 3;
  StoreQueue queue(MakeStore(), std::move(options));
  const auto a = NewClient("a");
  queue.Add(a, MakeBatch(1), 500);  // larger than the limit, and alone
  journal_.Await(1);
  queue.Add(a, MakeBatch(2), 60);
  queue.Add(a, MakeBatch(3), 60);
  for (Sequence n = 4; n <= 6; ++n) queue.Add(a, MakeBatch(n), 1);
  gate_->Open();
  const auto entries = journal_.Await(10);
  std::vector<std::string> transactions;
  for (const auto& entry : entries) {
    if (entry.rfind("transaction", 0) == 0) transactions.push_back(entry);
  }
  EXPECT_THAT(transactions, ElementsAre("transaction of 1", "transaction of 1", "transaction of 3",
                                        "transaction of 1"));
}

TEST_F(ReceiverStoreQueue, IsFullWhileTooMuchWaits) {
  gate_.emplace();
  StoreQueueOptions options = Options();
  options.queued_bytes_max = 100;
  StoreQueue queue(MakeStore(), std::move(options));
  const auto a = NewClient("a");
  queue.Add(a, MakeBatch(1), 99);
  journal_.Await(1);  // at the gate: at hand counts too
  EXPECT_FALSE(queue.full());
  queue.Add(a, MakeBatch(2), 1);
  EXPECT_TRUE(queue.full());
  gate_->Open();
  journal_.Await(4);
  EXPECT_FALSE(queue.full());
}

TEST_F(ReceiverStoreQueue, ReportsFailuresOnceAndTheirEnd) {
  StoreQueue queue(MakeStore(), Options());
  const auto a = NewClient("a");
  failure_ = Error{ErrorCode::kEvict, "spool.db", "no space left"};
  queue.Add(a, MakeBatch(1), 1);
  journal_.Await(3);
  queue.Add(a, MakeBatch(2), 1);
  journal_.Await(5);
  queue.Register(a, {"a", false}, {spool::Claim()});
  journal_.Await(6);
  failure_.reset();
  queue.Add(a, MakeBatch(3), 1);
  EXPECT_THAT(
      journal_.Await(9),
      ElementsAre("transaction of 1", "unhealthy: no space left", "a 1 failed no space left 1",
                  "transaction of 1", "a 2 failed no space left 1", "a registered 1 no space left",
                  "transaction of 1", "healthy", "a 3 stored 1 1"));
}

TEST_F(ReceiverStoreQueue, ARefusedClaimIsNoFailure) {
  StoreQueue queue(MakeStore(), Options());
  queue.Register(NewClient("x"), {"stranger", false}, {spool::Claim(), spool::Claim()});
  EXPECT_THAT(journal_.Await(1), ElementsAre("x registered 2 not yours"));
}

TEST_F(ReceiverStoreQueue, StopAnswersWhatIsAtHandAndDropsTheRest) {
  gate_.emplace();
  const auto a = NewClient("a");
  StoreQueue queue(MakeStore(), Options());
  queue.Add(a, MakeBatch(1), 1);
  journal_.Await(1);
  queue.Add(a, MakeBatch(2), 1);
  std::thread opener([this] { gate_->Open(); });
  queue.Stop();
  opener.join();
  EXPECT_THAT(journal_.Await(0), testing::Contains("a 1 stored 1 1"));
  // Whether the second was still taken depends on who was first; what was not taken is let go.
  EXPECT_EQ(a.use_count(), 1);
  queue.Stop();  // harmless
}

}  // namespace
}  // namespace doagent::receiver
