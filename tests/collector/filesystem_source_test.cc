// The collector "filesystem": which mounts are shown, and that one that hangs delays nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/collector/fake_host.h"
#include "tests/support/process.h"

namespace doagent::test {
namespace {

using collector::Problem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::string Line(const std::string& mount_point, const std::string& type, const std::string& source,
                 const std::string& options = "rw") {
  return "30 1 8:1 / " + mount_point + " " + options + " shared:1 - " + type + " " + source +
         " rw\n";
}

// "mount point device_error", for each mount shown.
std::vector<std::string> Shown(const Samples& samples) {
  const std::string name = "node_filesystem_device_error{";
  std::vector<std::string> shown;
  for (const auto& [series, value] : samples) {
    if (!series.starts_with(name)) continue;
    const auto begin = series.find("mountpoint=\"") + 12;
    shown.push_back(series.substr(begin, series.size() - begin - 2) + " " + value);
  }
  return shown;
}

TEST(FilesystemSource, LeavesOutWhatTheFiltersSay) {
  const FakeHost host;
  host.Write("proc/1/mountinfo",
             Line("/", "ext4", "/dev/a") + Line("/proc", "ext4", "x") +
                 Line("/proc2", "ext4", "x") + Line("/sys/kernel/y", "ext4", "x") +
                 Line("/run/user/0", "tmpfs", "tmpfs") + Line("/run/credentials/a", "ramfs", "x") +
                 Line("/m", "cgroup2", "x") + Line("/n", "overlay", "x") +
                 Line("/var/lib/docker/volumes", "ext4", "x") +
                 Line("/mnt/a", "fuse.sshfs", "host:/x"));
  Ticker ticker(host.Start({"filesystem"}));
  EXPECT_THAT(Shown(ticker.Tick()),
              UnorderedElementsAre("/ 0", "/proc2 0", "/run/user/0 0", "/mnt/a 0"));

  auto options = host.Options();
  options.settings["filesystem"] = {{"mount-points-exclude", ""}, {"fs-types-exclude", "^ext4$"}};
  EXPECT_THAT(
      Shown(Ticker(FakeHost::StartWith(options)).Tick()),
      UnorderedElementsAre("/m 0", "/n 0", "/run/user/0 0", "/run/credentials/a 0", "/mnt/a 0"));
}

TEST(FilesystemSource, DuplicatesAreOneAndTheTopmostSaysWhetherItIsReadOnly) {
  const FakeHost host;
  host.Write("proc/1/mountinfo", Line("/a", "ext4", "/dev/x") + Line("/a", "ext4", "/dev/x", "ro") +
                                     Line("/a", "xfs", "/dev/x"));
  Ticker ticker(host.Start({"filesystem"}));
  const auto samples = ticker.Tick();
  EXPECT_THAT(Shown(samples), ElementsAre("/a 0", "/a 0"));
  EXPECT_EQ(
      samples.at(R"(node_filesystem_readonly{device="/dev/x",fstype="ext4",mountpoint="/a"})"),
      "1");
}

TEST(FilesystemSource, MountsOfProcessOneElseItsOwn) {
  const FakeHost host;
  host.Write("proc/self/mountinfo", Line("/self", "ext4", "/dev/a"));
  Ticker ticker(host.Start({"filesystem"}));
  EXPECT_THAT(Shown(ticker.Tick()), ElementsAre("/self 0"));
  host.Write("proc/1/mountinfo", Line("/one", "ext4", "/dev/a"));
  EXPECT_THAT(Shown(ticker.Tick()), ElementsAre("/one 0"));
  host.Remove("proc/1");
  EXPECT_THAT(Shown(ticker.Tick()), ElementsAre("/self 0"));
}

TEST(FilesystemSource, NonsenseFailsAndRecovers) {
  const FakeHost host;
  host.Write("proc/1/mountinfo", Line("/a", "ext4", "/dev/a"));
  Ticker ticker(host.Start({"filesystem"}));
  ticker.Tick();
  host.Write("proc/1/mountinfo", Line("/a", "ext4", "/dev/a") + "nonsense\n");
  for (int i = 0; i < 2; ++i) {  // the second time the text is no longer new
    EXPECT_THAT(Shown(ticker.Tick()), IsEmpty());
    EXPECT_EQ(ticker.Success("filesystem"), "0");
  }
  EXPECT_EQ(ticker.collector().TakeStateChanges()[0].file, host.root() / "proc/1/mountinfo");
  host.Write("proc/1/mountinfo", Line("/a", "ext4", "/dev/a"));
  EXPECT_THAT(Shown(ticker.Tick()), ElementsAre("/a 0"));
}

TEST(FilesystemSource, MountPointsBelowTheRootOfAnotherHost) {
  const FakeHost host;
  host.Write("proc/1/mountinfo", Line("/host", "ext4", "/dev/a") +
                                     Line("/host/data", "ext4", "/dev/b") +
                                     Line("/hostage", "ext4", "/dev/c"));
  auto options = host.Options();
  options.rootfs = "/host/";
  auto paths = std::make_shared<std::vector<std::string>>();
  options.statvfs = [paths](const char* path, struct statvfs* out) {
    paths->push_back(path);
    return FakeStatvfs(path, out);
  };
  Ticker ticker(FakeHost::StartWith(std::move(options)));
  EXPECT_THAT(Shown(ticker.Tick()), ElementsAre("/ 0", "/data 0", "/hostage 0"));
  EXPECT_THAT(*paths, ElementsAre("/host", "/host/data", "/host/hostage"));
}

TEST(FilesystemSource, PathsAndLabelsOfStrangeMounts) {
  const FakeHost host;
  host.Write("proc/1/mountinfo",
             Line("/a\\040\xff", "ext4", "/dev/\xff") + Line("/b", "tmpfs", ""));
  auto options = host.Options();
  auto paths = std::make_shared<std::vector<std::string>>();
  options.statvfs = [paths](const char* path, struct statvfs* out) {
    paths->push_back(path);
    return FakeStatvfs(path, out);
  };
  Ticker ticker(FakeHost::StartWith(std::move(options)));
  EXPECT_THAT(Shown(ticker.Tick()), ElementsAre("/b 0", "/a \xef\xbf\xbd 0"));
  EXPECT_THAT(*paths, ElementsAre("/a \xff", "/b"));
}

TEST(FilesystemSource, SizesBeyondSixtyFourBitsAreAnErrorOfTheDevice) {
  const FakeHost host;
  host.Write("proc/1/mountinfo", Line("/a", "ext4", "/dev/a"));
  auto options = host.Options();
  options.statvfs = [](const char* path, struct statvfs* out) {
    FakeStatvfs(path, out);
    out->f_blocks = ~fsblkcnt_t{0};
    return 0;
  };
  EXPECT_THAT(Shown(Ticker(FakeHost::StartWith(std::move(options))).Tick()), ElementsAre("/a 1"));
}

// A mount that hangs until it is released. Outlives the collector.
class Hang {
 public:
  void Wait() {
    std::unique_lock lock(mutex_);
    is_inside_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return is_released_; });
    is_inside_ = false;
    changed_.notify_all();
  }
  void WaitForInside(bool inside) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_inside_ == inside; });
  }
  void Release() {
    const std::lock_guard lock(mutex_);
    is_released_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_inside_ = false;
  bool is_released_ = false;
};

class HungMount : public testing::Test {
 protected:
  HungMount() {
    host_.Write("proc/1/mountinfo", Line("/nfs", "nfs4", "host:/x") + Line("/", "ext4", "/dev/a"));
    options_ = host_.Options();
    options_.enabled = {"filesystem"};
    options_.statvfs = [hang = hang_](const char* path, struct statvfs* out) {
      if (std::string_view(path) == "/nfs") hang->Wait();
      return FakeStatvfs(path, out);
    };
  }
  ~HungMount() override {
    hang_->Release();
    hang_->WaitForInside(false);
  }

  FakeHost host_;
  std::shared_ptr<Hang> hang_ = std::make_shared<Hang>();
  collector::CollectorOptions options_;
};

TEST_F(HungMount, IsReportedWhileTheOthersGoOn) {
  options_.statvfs_first_wait = std::chrono::milliseconds(200);
  Ticker ticker(FakeHost::StartWith(options_));
  EXPECT_THAT(Shown(ticker.Tick()), ElementsAre("/ 0", "/nfs 1"));  // within the first wait
  for (int i = 0; i < 6; ++i) EXPECT_THAT(Shown(ticker.Tick()), ElementsAre("/ 0", "/nfs 1"));
  const std::string message =
      "statvfs gives no answer; the mount is shown as node_filesystem_device_error until it does";
  EXPECT_THAT(ticker.collector().TakeStateChanges(),
              ElementsAre(Problem{"filesystem", "/nfs", message, /*ended=*/false}));

  hang_->Release();
  // The call returns a moment before its worker has noted the answer.
  const std::vector<std::string> fine = {"/ 0", "/nfs 0"};
  std::vector<Problem> changes;
  ASSERT_TRUE(test::Eventually([&] {
    const bool is_fine = Shown(ticker.Tick()) == fine;
    for (auto& change : ticker.collector().TakeStateChanges()) changes.push_back(change);
    return is_fine && !changes.empty();
  }));
  EXPECT_THAT(changes, ElementsAre(Problem{"filesystem", "/nfs", message, /*ended=*/true}));
}

TEST_F(HungMount, IsStuckAfterFiveSeconds) {
  options_.statvfs_first_wait = options_.statvfs_wait = Nanoseconds(0);
  host_.Write("proc/1/mountinfo", Line("/nfs", "nfs4", "host:/x"));
  Ticker ticker(FakeHost::StartWith(options_));
  ticker.Tick();
  hang_->WaitForInside(true);
  // A tick a second; the call was first seen to be under way in the first or the second one.
  for (int i = 1; i <= 4; ++i) EXPECT_THAT(Shown(ticker.Tick()), IsEmpty());
  ticker.Tick();
  EXPECT_THAT(Shown(ticker.Tick()), ElementsAre("/nfs 1"));
}

TEST_F(HungMount, DoesNotKeepTheCollectorFromEnding) {
  options_.statvfs_first_wait = Nanoseconds(0);
  {
    Ticker ticker(FakeHost::StartWith(options_));
    ticker.Tick();
    hang_->WaitForInside(true);
  }  // hangs here if it waits for the worker
  hang_->WaitForInside(true);
}

}  // namespace
}  // namespace doagent::test
