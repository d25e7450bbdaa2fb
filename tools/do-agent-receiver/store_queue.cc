#include "tools/do-agent-receiver/store_queue.h"

#include <chrono>
#include <utility>

#include "spool/check.h"

namespace doagent::receiver {
namespace {

// Of some milliseconds each; then whoever came meanwhile is served.
constexpr int kMaintenanceStepsMax = 16;
constexpr std::chrono::seconds kMaintainEvery{30};

}  // namespace

StoreQueue::StoreQueue(Store store, StoreQueueOptions options)
    : store_(std::move(store)), options_(std::move(options)), thread_([this] { Run(); }) {}

void StoreQueue::Register(std::shared_ptr<StoreClient> client, spool::Principal principal,
                          std::vector<spool::Claim> claims) {
  Push(Registration{std::move(client), std::move(principal), std::move(claims)});
}

void StoreQueue::Add(std::shared_ptr<StoreClient> client, spool::IncomingBatch batch,
                     std::size_t bytes) {
  queued_bytes_ += bytes;
  Push(Batch{std::move(client), std::move(batch), bytes});
}

void StoreQueue::Push(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void StoreQueue::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
  // Clients may be waiting to be destroyed by the last reference, which is here.
  std::deque<Job> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(jobs_);
}

void StoreQueue::Run() {
  for (;;) {
    Work work = Take();
    if (std::holds_alternative<std::monostate>(work)) return;
    if (const auto* registration = std::get_if<Registration>(&work)) {
      Execute(*registration);
    } else {
      Execute(std::get<Group>(work));
    }
    Maintain();
  }
}

bool StoreQueue::Idle() {
  const std::lock_guard lock(mutex_);
  return jobs_.empty() && !stopping_;
}

void StoreQueue::Maintain() {
  for (int step = 0; step < kMaintenanceStepsMax && Idle(); ++step) {
    const auto more = store_.maintain();
    // What fails will fail for those who store, too, and be reported then.
    if (!more || !*more) return;
  }
}

StoreQueue::Work StoreQueue::Take() {
  std::unique_lock lock(mutex_);
  const auto work = [this] { return stopping_ || !jobs_.empty(); };
  // What is old goes also when nobody sends.
  while (!changed_.wait_for(lock, kMaintainEvery, work)) {
    lock.unlock();
    Maintain();
    lock.lock();
  }
  if (stopping_) return std::monostate();
  if (auto* registration = std::get_if<Registration>(&jobs_.front())) {
    Registration taken = std::move(*registration);
    jobs_.pop_front();
    return taken;
  }
  return TakeGroup();
}

StoreQueue::Group StoreQueue::TakeGroup() {
  Group group;
  std::size_t bytes = 0;
  while (!jobs_.empty() && group.batches.size() < options_.group_batches_max) {
    auto* batch = std::get_if<Batch>(&jobs_.front());
    const bool fits = batch != nullptr && bytes + batch->bytes <= options_.group_bytes_max;
    if (!fits && (batch == nullptr || !group.batches.empty())) break;
    bytes += batch->bytes;
    group.clients.push_back(std::move(batch->client));
    group.bytes.push_back(batch->bytes);
    group.batches.push_back(std::move(batch->batch));
    jobs_.pop_front();
  }
  return group;
}

void StoreQueue::Execute(const Registration& registration) {
  std::vector<Result<spool::StoredClaim>> results;
  for (const spool::Claim& claim : registration.claims) {
    auto result = store_.add_claim(registration.principal, claim);
    // A claim that is refused says nothing about the disk; nor does one that needed no write, so
    // that only a batch ends a failure.
    if (!result && result.error().code != ErrorCode::kRefuse) Report(result.error());
    results.push_back(std::move(result));
  }
  registration.client->OnRegistered(std::move(results));
}

void StoreQueue::Execute(const Group& group) {
  const auto outcomes = store_.add_batches(group.batches);
  DOAGENT_CHECK(!outcomes || outcomes->size() == group.batches.size());
  Report(outcomes ? std::nullopt : std::optional<Error>(outcomes.error()));
  for (std::size_t i = 0; i < group.batches.size(); ++i) {
    queued_bytes_ -= group.bytes[i];
    group.clients[i]->OnStored(group.batches[i], group.bytes[i],
                               outcomes ? Result<spool::BatchOutcome>((*outcomes)[i])
                                        : Result<spool::BatchOutcome>(Fail(outcomes.error())));
  }
}

void StoreQueue::Report(const std::optional<Error>& failure) {
  if (failure.has_value() == failing_) return;
  failing_ = failure.has_value();
  if (options_.health) options_.health(failure);
}

}  // namespace doagent::receiver
