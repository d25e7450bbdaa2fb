#include "collector/proc_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace doagent::collector {
namespace {

using testing::HasSubstr;

class ProcFileTest : public testing::Test {
 protected:
  std::string path() const { return directory_ / "file"; }
  void Write(const std::string& text) const {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << text;
  }
  // The text, "missing", or the error.
  static std::string Outcome(ProcFile& file) {
    const auto text = file.Read();
    if (!text) return text.error().Message();
    return text->has_value() ? std::string(**text) : "missing";
  }
  std::string Outcome() const {
    ProcFile file(path());
    return Outcome(file);
  }

  test::TempDir directory_;
};

TEST_F(ProcFileTest, MissingIsNoError) {
  ProcFile file(path());
  EXPECT_EQ(Outcome(file), "missing");
  ProcFile below(path() + "/below/it");
  EXPECT_EQ(Outcome(below), "missing");
  Write("");
  EXPECT_EQ(Outcome(below), "missing");  // a file where a folder should be
}

TEST_F(ProcFileTest, FollowsAFileThatComesChangesIsReplacedAndGoes) {
  ProcFile file(path());
  EXPECT_EQ(Outcome(file), "missing");
  Write("one");
  EXPECT_EQ(Outcome(file), "one");
  Write("a longer text");
  EXPECT_EQ(Outcome(file), "a longer text");
  std::ofstream(directory_ / "other") << "another file";
  std::filesystem::rename(directory_ / "other", path());
  EXPECT_EQ(Outcome(file), "another file");
  std::filesystem::remove(path());
  EXPECT_EQ(Outcome(file), "missing");
}

TEST_F(ProcFileTest, EmptyFile) {
  Write("");
  EXPECT_EQ(Outcome(), "");
}

TEST_F(ProcFileTest, AnySizeAroundTheBuffers) {
  for (const auto shape : {ProcFile::Shape::kTable, ProcFile::Shape::kValue}) {
    ProcFile file(path(), shape);
    for (const std::size_t size : {1U, 127U, 128U, 129U, 4095U, 4096U, 4097U, 100'000U}) {
      const std::string text(size, 'x');
      Write(text);
      EXPECT_EQ(Outcome(file), text) << size;
    }
  }
}

TEST_F(ProcFileTest, ALimitOfFourMebibytes) {
  Write(std::string(ProcFile::kBytesMax, 'x'));
  EXPECT_EQ(Outcome().size(), ProcFile::kBytesMax);
  Write(std::string(ProcFile::kBytesMax + 1, 'x'));
  EXPECT_EQ(Outcome(), path() + ": larger than 4194304 bytes: not a file of the kernel");
  std::filesystem::resize_file(path(), 100'000'000);
  EXPECT_THAT(Outcome(), HasSubstr("larger than"));
}

TEST_F(ProcFileTest, OnlyRegularFiles) {
  EXPECT_EQ(mkfifo(path().c_str(), 0600), 0);
  EXPECT_EQ(Outcome(), path() + ": not a regular file");
  ProcFile folder(directory_.path());
  EXPECT_THAT(Outcome(folder), HasSubstr("not a regular file"));
  ProcFile device("/dev/zero");
  EXPECT_THAT(Outcome(device), HasSubstr("not a regular file"));
}

TEST_F(ProcFileTest, UnreadableIsAnErrorThatSaysWhy) {
  Write("secret");
  std::filesystem::permissions(path(), std::filesystem::perms::none);
  const uid_t user = geteuid();
  constexpr uid_t kNobody = 65534;
  if (user == 0) {  // who may read everything
    ASSERT_EQ(seteuid(kNobody), 0);
  }
  const std::string outcome = Outcome();
  if (user == 0) {
    ASSERT_EQ(seteuid(user), 0);
  }
  EXPECT_EQ(outcome, path() + ": cannot open: Permission denied");
}

TEST_F(ProcFileTest, ErrorsOfReadingAreErrors) {
  // Reading it from offset 0 is EIO: page zero is not mapped.
  ProcFile file("/proc/self/mem");
  EXPECT_THAT(Outcome(file), HasSubstr("/proc/self/mem: cannot read: "));
}

TEST_F(ProcFileTest, KernelFilesAreReadAnew) {
  ProcFile file("/proc/self/stat");
  const std::string first = Outcome(file);
  EXPECT_THAT(first, HasSubstr(std::to_string(getpid())));
  // The kernel counts this process' time: burn some until the text is another one.
  std::string second = first;
  for (int i = 0; i < 1'000'000 && second == first; ++i) second = Outcome(file);
  EXPECT_NE(second, first);
}

TEST_F(ProcFileTest, ADescriptorOfAProcessThatEndedIsOpenedAnew) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    char byte = 0;
    close(pipe_ends[1]);
    _exit(read(pipe_ends[0], &byte, 1) == 0 ? 0 : 1);  // until the parent closes its end
  }
  close(pipe_ends[0]);
  ProcFile file("/proc/" + std::to_string(child) + "/stat");
  EXPECT_THAT(Outcome(file), HasSubstr(std::to_string(child)));
  close(pipe_ends[1]);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(Outcome(file), "missing");
}

TEST_F(ProcFileTest, AFileThatIsNotTheKernelsMayAlwaysHaveChanged) {
  Write("one");
  ProcFile file(path());
  EXPECT_TRUE(file.MayHaveChanged());
  EXPECT_EQ(Outcome(file), "one");
  EXPECT_TRUE(file.MayHaveChanged());
}

// What the child finds, as its exit status.
enum ChildOutcome { kSaidSo, kNotPermitted, kChangedWithoutReason, kDidNotSaySo };

ChildOutcome MountInNamespaceOfItsOwn(const std::string& folder) {
  if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return kNotPermitted;
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kNotPermitted;
  ProcFile file("/proc/self/mountinfo");
  if (!file.Read() || file.MayHaveChanged()) return kChangedWithoutReason;
  if (mount("none", folder.c_str(), "tmpfs", 0, nullptr) != 0) return kNotPermitted;
  if (!file.MayHaveChanged()) return kDidNotSaySo;
  return file.MayHaveChanged() ? kChangedWithoutReason : kSaidSo;
}

TEST_F(ProcFileTest, TheKernelSaysWhenTheMountsChanged) {
  const pid_t child = fork();
  if (child == 0) _exit(MountInNamespaceOfItsOwn(directory_.path()));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNotPermitted) GTEST_SKIP() << "this user may not mount";
  EXPECT_EQ(WEXITSTATUS(status), kSaidSo);
}

}  // namespace
}  // namespace doagent::collector
