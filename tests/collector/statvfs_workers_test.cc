// statvfs calls that hang until the test lets them go. Waiting is on conditions only.
#include "collector/statvfs_workers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/process.h"

namespace doagent::collector {
namespace {

using std::chrono::seconds;

constexpr Nanoseconds kPatience = seconds(20);  // only a defect makes a test wait this long

// The mounts behind the fake system call. It outlives the workers.
class Mounts {
 public:
  int Call(const char* path, struct statvfs* out) {
    std::unique_lock lock(mutex_);
    ++calls_[path];
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return hung_.count(path) == 0; });
    --inside_;
    changed_.notify_all();
    if (errors_.count(path) != 0) {
      errno = errors_[path];
      return -1;
    }
    *out = {};
    out->f_blocks = static_cast<fsblkcnt_t>(calls_[path]);
    return 0;
  }

  void Hang(const std::string& path) {
    Change([&] { hung_.insert(path); });
  }
  void Release(const std::string& path) {
    Change([&] { hung_.erase(path); });
  }
  void Fail(const std::string& path, int error) {
    Change([&] { errors_[path] = error; });
  }

  int Calls(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return calls_[path];
  }
  // True once this many calls are under way at the same time.
  bool WaitForInside(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return inside_ == count; });
  }

 private:
  template <typename Do>
  void Change(Do change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> calls_;
  std::set<std::string> hung_;
  std::map<std::string, int> errors_;
  int inside_ = 0;
};

class StatvfsWorkersTest : public testing::Test {
 protected:
  void TearDown() override {
    workers_.reset();
    for (const auto* path : {"/a", "/b", "/c", "/d"}) mounts_->Release(path);
    EXPECT_TRUE(mounts_->WaitForInside(0));
  }

  std::vector<StatvfsWorkers::Reply> Get(int second) {
    std::vector<StatvfsWorkers::Reply> replies;
    workers_->Get(MonoTime(seconds(second)), replies);
    return replies;
  }
  // A round at this second: asked, waited for if `wait`, and its replies.
  std::vector<StatvfsWorkers::Reply> Round(int second, bool wait = true) {
    EXPECT_TRUE(workers_->Ask());
    if (wait) workers_->Wait(kPatience, /*overtake=*/false);
    return Get(second);
  }

  std::shared_ptr<Mounts> mounts_ = std::make_shared<Mounts>();
  std::unique_ptr<StatvfsWorkers> workers_ = std::make_unique<StatvfsWorkers>(
      [mounts = mounts_](const char* path, struct statvfs* out) { return mounts->Call(path, out); },
      /*stuck_after=*/seconds(5));
};

TEST_F(StatvfsWorkersTest, AnswersEveryRound) {
  workers_->SetPaths({"/a", "/b"});
  mounts_->Fail("/b", EACCES);
  for (int second = 1; second <= 3; ++second) {
    const auto replies = Round(second);
    ASSERT_EQ(replies.size(), 2);
    EXPECT_TRUE(replies[0].is_answered);
    EXPECT_EQ(replies[0].error, 0);
    EXPECT_EQ(replies[0].usage.f_blocks, static_cast<fsblkcnt_t>(second));
    EXPECT_EQ(replies[1].error, EACCES);
    EXPECT_FALSE(replies[0].is_stuck);
  }
}

TEST_F(StatvfsWorkersTest, NoPathsNoThread) {
  workers_->SetPaths({});
  EXPECT_TRUE(Round(1).empty());
}

TEST_F(StatvfsWorkersTest, AHungMountKeepsOneThreadAndTheOthersGoOn) {
  workers_->SetPaths({"/a", "/b"});
  mounts_->Hang("/a");
  EXPECT_FALSE(Round(1, /*wait=*/false)[1].is_answered);  // behind /a in the queue
  ASSERT_TRUE(mounts_->WaitForInside(1));
  for (int second = 2; second <= 9; ++second) {
    const auto replies = Round(second);
    EXPECT_EQ(replies[1].usage.f_blocks, static_cast<fsblkcnt_t>(second - 1));
    EXPECT_FALSE(replies[0].is_answered);
  }
  EXPECT_EQ(mounts_->Calls("/a"), 1);
  EXPECT_TRUE(mounts_->WaitForInside(1));
}

TEST_F(StatvfsWorkersTest, StuckAfterFiveSecondsAndFineWhenItAnswers) {
  workers_->SetPaths({"/a", "/b"});
  EXPECT_FALSE(Round(1)[0].is_stuck);
  mounts_->Hang("/a");
  ASSERT_TRUE(workers_->Ask());
  ASSERT_TRUE(mounts_->WaitForInside(1));
  EXPECT_FALSE(Get(2)[0].is_stuck);    // first seen to be under way
  EXPECT_TRUE(Get(2)[0].is_answered);  // the answer of before
  for (int second = 3; second <= 6; ++second) EXPECT_FALSE(Round(second)[0].is_stuck) << second;
  for (int second = 7; second <= 9; ++second) EXPECT_TRUE(Round(second)[0].is_stuck) << second;
  EXPECT_FALSE(Round(9)[1].is_stuck);

  mounts_->Release("/a");
  // The call has returned a moment before its worker has noted the answer.
  int second = 10;
  ASSERT_TRUE(test::Eventually([&] { return !Round(second++)[0].is_stuck; }));
  const auto replies = Round(second);
  EXPECT_EQ(replies[0].usage.f_blocks, static_cast<fsblkcnt_t>(mounts_->Calls("/a")));
}

TEST_F(StatvfsWorkersTest, SeveralHungMounts) {
  workers_->SetPaths({"/a", "/b", "/c", "/d"});
  for (const auto* path : {"/a", "/b", "/c"}) mounts_->Hang(path);
  for (int hung = 1; hung <= 3; ++hung) {
    ASSERT_TRUE(workers_->Ask());
    ASSERT_TRUE(mounts_->WaitForInside(hung));
  }
  const auto replies = Round(4);
  EXPECT_TRUE(replies[3].is_answered);
  for (const auto* path : {"/a", "/b", "/c"}) EXPECT_EQ(mounts_->Calls(path), 1) << path;
}

TEST_F(StatvfsWorkersTest, AtTheFirstRoundOthersOvertakeAndTheSlowCountAsStuck) {
  workers_->SetPaths({"/a", "/b", "/c"});
  mounts_->Hang("/a");
  mounts_->Hang("/b");
  ASSERT_TRUE(workers_->Ask());
  workers_->Wait(std::chrono::milliseconds(500), /*overtake=*/true);
  const auto replies = Get(1);
  EXPECT_TRUE(replies[0].is_stuck);
  EXPECT_TRUE(replies[1].is_stuck);
  EXPECT_TRUE(replies[2].is_answered);
  EXPECT_FALSE(replies[2].is_stuck);
}

TEST_F(StatvfsWorkersTest, AHungMountThatGoesAndComesBackIsNotAskedTwice) {
  workers_->SetPaths({"/a", "/b"});
  mounts_->Hang("/a");
  ASSERT_TRUE(workers_->Ask());
  ASSERT_TRUE(mounts_->WaitForInside(1));
  workers_->SetPaths({"/b"});
  EXPECT_TRUE(Round(2)[0].is_answered);
  workers_->SetPaths({"/b", "/a"});
  EXPECT_FALSE(Round(3)[1].is_answered);
  EXPECT_EQ(mounts_->Calls("/a"), 1);
  EXPECT_FALSE(Round(7)[1].is_stuck);  // first seen at 3
  EXPECT_TRUE(Round(8)[1].is_stuck);
}

TEST_F(StatvfsWorkersTest, SetPathsKeepsWhatIsKnown) {
  workers_->SetPaths({"/a", "/b"});
  Round(1);
  Round(2);
  workers_->SetPaths({"/c", "/b"});
  const auto replies = Get(3);
  EXPECT_FALSE(replies[0].is_answered);
  EXPECT_EQ(replies[1].usage.f_blocks, 2);
}

TEST_F(StatvfsWorkersTest, DestructionDoesNotWaitForAHungMount) {
  workers_->SetPaths({"/a"});
  mounts_->Hang("/a");
  ASSERT_TRUE(workers_->Ask());
  ASSERT_TRUE(mounts_->WaitForInside(1));
  workers_.reset();  // hangs here if it waits
  EXPECT_TRUE(mounts_->WaitForInside(1));
}

TEST_F(StatvfsWorkersTest, TooManyHungMountsAreAnErrorUntilOneAnswers) {
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < StatvfsWorkers::kThreadsMax; ++i) {
    paths.push_back("/hung/" + std::to_string(i));
    mounts_->Hang(paths.back());
  }
  paths.push_back("/a");
  workers_->SetPaths(paths);
  for (std::size_t i = 1; i <= StatvfsWorkers::kThreadsMax; ++i) {
    ASSERT_TRUE(workers_->Ask());
    ASSERT_TRUE(mounts_->WaitForInside(static_cast<int>(i)));
  }
  const auto refused = workers_->Ask();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, testing::HasSubstr("128 mounts give no answer"));
  EXPECT_FALSE(workers_->Ask());

  for (const auto& path : paths) mounts_->Release(path);
  ASSERT_TRUE(mounts_->WaitForInside(0));
  // The threads end one by one; asking again works as soon as the first is gone.
  while (!workers_->Ask()) std::this_thread::yield();
  workers_->Wait(kPatience, /*overtake=*/false);
  EXPECT_TRUE(Get(1).back().is_answered);
}

}  // namespace
}  // namespace doagent::collector
