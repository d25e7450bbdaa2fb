#include "collector/statvfs_workers.h"

#include <pthread.h>
#include <signal.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

namespace doagent::collector {
namespace {

// A thread needs little more than the frame of one system call, but sanitizers take their share.
constexpr std::size_t kStackBytes = std::size_t{256} << 10;
constexpr int kOvertakeSlices = 10;

}  // namespace

// One path. All but the path is guarded by Shared::mutex.
struct StatvfsWorkers::Slot {
  explicit Slot(std::string the_path) : path(std::move(the_path)) {}

  const std::string path;
  bool is_busy = false;
  bool is_overdue = false;            // Wait gave up on it
  std::uint64_t round = 0;            // in which it was last queued
  std::optional<MonoTime> seen_busy;  // when Get first found the call under way
  bool is_answered = false;
  int error = 0;
  struct statvfs usage = {};
};

// What the threads share with the collector, and keep alive while they are inside a call.
struct StatvfsWorkers::Shared {
  explicit Shared(Statvfs call) : statvfs(std::move(call)) {}

  const Statvfs statvfs;

  std::mutex mutex;
  std::condition_variable work;  // the queue has paths, or a thread shall end
  std::condition_variable done;  // the last path of the round was answered
  bool stopping = false;
  std::size_t threads = 0;    // that have not ended
  std::uint64_t started = 0;  // numbers them, from 1
  std::uint64_t current = 0;  // the thread that takes from the queue; those before it end; 0: none
  std::shared_ptr<Slot> current_slot;  // what it is asking about
  std::uint64_t round = 0;
  std::size_t unanswered = 0;  // paths of this round
  std::vector<std::shared_ptr<Slot>> queue;
  std::size_t taken = 0;  // of the queue

  void Run(std::uint64_t self);
  void Ask(Slot& slot, std::unique_lock<std::mutex>& lock);
};

struct StatvfsWorkers::Thread {
  std::shared_ptr<Shared> shared;
  std::uint64_t number;

  static void* Main(void* argument) {
    const std::unique_ptr<Thread> self(static_cast<Thread*>(argument));
    pthread_setname_np(pthread_self(), "statvfs");
    self->shared->Run(self->number);
    return nullptr;
  }
};

void StatvfsWorkers::Shared::Run(std::uint64_t self) {
  std::unique_lock lock(mutex);
  for (;;) {
    work.wait(lock, [&] { return stopping || self != current || taken < queue.size(); });
    if (stopping || self != current) break;
    const std::shared_ptr<Slot> slot = std::move(queue[taken++]);
    current_slot = slot;
    Ask(*slot, lock);
    if (self == current) current_slot.reset();
    if (slot->round == round && --unanswered == 0) done.notify_all();
  }
  --threads;
}

void StatvfsWorkers::Shared::Ask(Slot& slot, std::unique_lock<std::mutex>& lock) {
  slot.is_busy = true;
  lock.unlock();
  struct statvfs usage = {};
  const int error = statvfs(slot.path.c_str(), &usage) == 0 ? 0 : errno;
  lock.lock();
  slot.is_busy = false;
  slot.is_overdue = false;
  slot.seen_busy.reset();
  slot.is_answered = true;
  slot.error = error;
  slot.usage = usage;
}

StatvfsWorkers::StatvfsWorkers(Statvfs statvfs, Nanoseconds stuck_after)
    : shared_(std::make_shared<Shared>(std::move(statvfs))), stuck_after_(stuck_after) {}

StatvfsWorkers::~StatvfsWorkers() {
  const std::lock_guard lock(shared_->mutex);
  shared_->stopping = true;
  shared_->work.notify_all();
}

void StatvfsWorkers::SetPaths(const std::vector<std::string>& paths) {
  const std::lock_guard lock(shared_->mutex);
  std::unordered_map<std::string_view, std::shared_ptr<Slot>> old;
  for (auto* const slots : {&slots_, &lost_}) {
    for (auto& slot : *slots) old.emplace(slot->path, slot);
    slots->clear();
  }
  for (const auto& path : paths) {
    const auto known = old.find(path);
    if (known == old.end()) {
      slots_.push_back(std::make_shared<Slot>(path));
    } else {
      slots_.push_back(known->second);
      old.erase(known);
    }
  }
  for (const auto& [path, slot] : old) {
    if (slot->is_busy) lost_.push_back(slot);
  }
}

Result<void> StatvfsWorkers::Ask() {
  const std::lock_guard lock(shared_->mutex);
  Shared& shared = *shared_;
  std::erase_if(lost_, [](const auto& slot) { return !slot->is_busy; });
  shared.queue.clear();
  shared.taken = 0;
  shared.unanswered = 0;
  ++shared.round;
  for (const auto& slot : slots_) {
    if (slot->is_busy) continue;  // never two calls for one path
    slot->round = shared.round;
    shared.queue.push_back(slot);
    ++shared.unanswered;
  }
  if (shared.queue.empty()) return {};
  if (shared.current_slot != nullptr) return LeaveAside();
  if (shared.current == 0) return StartThread();
  shared.work.notify_one();
  return {};
}

// REQUIRES the mutex. The thread that is inside a call goes on alone, another takes over.
Result<void> StatvfsWorkers::LeaveAside() {
  shared_->current_slot.reset();
  return StartThread();
}

// REQUIRES the mutex. The new thread is the current one from now on.
Result<void> StatvfsWorkers::StartThread() {
  shared_->current = 0;
  if (shared_->threads >= kThreadsMax) {
    return Fail(ErrorCode::kRetry, "statvfs",
                std::to_string(kThreadsMax) +
                    " mounts give no answer, so that the others cannot be asked: unmount some");
  }
  const std::uint64_t number = ++shared_->started;
  auto thread = std::make_unique<Thread>(Thread{shared_, number});
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  // Signals are for the program's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t id;
  const int error = pthread_create(&id, &attributes, &Thread::Main, thread.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    return Fail(ErrorCode::kRetry, "statvfs",
                "cannot start a thread: " + std::generic_category().message(error));
  }
  static_cast<void>(thread.release());  // the thread's own
  ++shared_->threads;
  shared_->current = number;
  return {};
}

void StatvfsWorkers::Wait(Nanoseconds at_most, bool overtake) {
  std::unique_lock lock(shared_->mutex);
  Shared& shared = *shared_;
  const auto is_done = [&] { return shared.unanswered == 0; };
  const int slices = overtake ? kOvertakeSlices : 1;
  for (int i = 0; i < slices; ++i) {
    const std::shared_ptr<Slot> before = shared.current_slot;
    if (shared.done.wait_for(lock, at_most / slices, is_done)) return;
    const bool others_wait = shared.taken < shared.queue.size();
    if (overtake && others_wait && before != nullptr && before == shared.current_slot) {
      if (!LeaveAside()) break;  // they stay queued, and unanswered
    }
  }
  if (!overtake || at_most == Nanoseconds(0)) return;
  for (const auto& slot : slots_) slot->is_overdue = slot->is_busy;
}

void StatvfsWorkers::Get(MonoTime now, std::vector<Reply>& replies) {
  const std::lock_guard lock(shared_->mutex);
  replies.clear();
  for (const auto& slot : slots_) {
    if (slot->is_busy && !slot->seen_busy) slot->seen_busy = now;
    const bool is_late = slot->seen_busy && now - *slot->seen_busy >= stuck_after_;
    replies.push_back({.is_stuck = slot->is_busy && (slot->is_overdue || is_late),
                       .is_answered = slot->is_answered,
                       .error = slot->error,
                       .usage = slot->usage});
  }
}

}  // namespace doagent::collector
