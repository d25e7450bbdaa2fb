// The one thread that stores: it takes what all sessions have queued, stores it in one transaction,
// and answers each. While a transaction is being synced the next ones pile up, so that the busier
// the receiver is, the more of them share one sync (group commit).
//
// Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "spool/inbox.h"
#include "spool/result.h"

namespace doagent::receiver {

// What the queue does with a spool::Inbox, as functions: a test puts a failing disk in their place.
struct Store {
  std::function<Result<spool::StoredClaim>(const spool::Principal&, const spool::Claim&)> add_claim;
  std::function<Result<std::vector<spool::BatchOutcome>>(const std::vector<spool::IncomingBatch>&)>
      add_batches;
  // What keeps the spool small: a short step of it. True: there may be more to do at once.
  std::function<Result<bool>()> maintain = [] { return Result<bool>(false); };
};

// Who waits for answers. Called on the queue's thread, in the order in which its jobs were queued.
class StoreClient {
 public:
  virtual ~StoreClient() = default;
  // One result a claim.
  virtual void OnRegistered(std::vector<Result<spool::StoredClaim>> claims) = 0;
  // bytes: as queued. An error: nothing of the batch was stored, for a reason that may pass.
  virtual void OnStored(const spool::IncomingBatch& batch, std::size_t bytes,
                        const Result<spool::BatchOutcome>& outcome) = 0;
};

struct StoreQueueOptions {
  std::size_t queued_bytes_max = std::size_t{256} << 20;  // full() from here on
  std::size_t group_bytes_max = std::size_t{16} << 20;    // of one transaction
  std::size_t group_batches_max = 256;
  // Called when storing begins to fail (with the error) and when it works again (with nothing).
  std::function<void(const std::optional<Error>&)> health;
};

class StoreQueue {
 public:
  StoreQueue(Store store, StoreQueueOptions options);
  ~StoreQueue() { Stop(); }

  StoreQueue(const StoreQueue&) = delete;
  StoreQueue& operator=(const StoreQueue&) = delete;

  void Register(std::shared_ptr<StoreClient> client, spool::Principal principal,
                std::vector<spool::Claim> claims);
  void Add(std::shared_ptr<StoreClient> client, spool::IncomingBatch batch, std::size_t bytes);

  // More is waiting than should be: whoever has something here already should read no more.
  bool full() const { return queued_bytes_ >= options_.queued_bytes_max; }

  // Ends the thread after the transaction at hand, whose answers go out. What waits is dropped
  // unanswered: its senders still have it.
  void Stop();

 private:
  struct Registration {
    std::shared_ptr<StoreClient> client;
    spool::Principal principal;
    std::vector<spool::Claim> claims;
  };
  struct Batch {
    std::shared_ptr<StoreClient> client;
    spool::IncomingBatch batch;
    std::size_t bytes = 0;
  };
  // Batches whose contents stand apart, in the same order, as the store wants them.
  struct Group {
    std::vector<std::shared_ptr<StoreClient>> clients;
    std::vector<std::size_t> bytes;
    std::vector<spool::IncomingBatch> batches;
  };
  using Job = std::variant<Registration, Batch>;
  using Work = std::variant<std::monostate, Registration, Group>;

  void Push(Job job);
  void Run();
  Work Take();
  // Small steps, while nobody waits.
  void Maintain();
  bool Idle();
  Group TakeGroup();
  void Execute(const Registration& registration);
  void Execute(const Group& group);
  void Report(const std::optional<Error>& failure);

  const Store store_;
  const StoreQueueOptions options_;
  std::atomic<std::size_t> queued_bytes_ = 0;  // waiting and at hand
  bool failing_ = false;                       // of the thread

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool stopping_ = false;

  std::thread thread_;  // last: it uses everything above
};

}  // namespace doagent::receiver
