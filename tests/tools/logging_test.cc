#include "tools/cli/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <sstream>
#include <string>

#include "tools/cli/state_log.h"

namespace doagent::cli {
namespace {

using namespace std::chrono_literals;
using testing::ContainsRegex;
using testing::HasSubstr;

class LoggingTest : public testing::Test {
 protected:
  std::shared_ptr<spdlog::logger> Make(LogLevel level, LogStyle style) {
    return MakeLogger("test", level, style,
                      std::make_shared<spdlog::sinks::ostream_sink_mt>(stream_));
  }
  std::string Written() const { return stream_.str(); }

  std::ostringstream stream_;
};

TEST_F(LoggingTest, ForTheJournalEachLineHasItsPriorityAndNoTime) {
  const auto log = Make(LogLevel::kTrace, LogStyle::kJournal);
  log->trace("t");
  log->debug("d");
  log->info("i");
  log->warn("w");
  log->error("e");
  EXPECT_EQ(Written(), "<7>t\n<7>d\n<6>i\n<4>w\n<3>e\n");
}

TEST_F(LoggingTest, ForPeopleEachLineHasItsTimeAndLevel) {
  Make(LogLevel::kInfo, LogStyle::kTerminal)->warn("disk full");
  EXPECT_THAT(Written(),
              ContainsRegex("^20[0-9-]+T[0-9:]+\\.[0-9][0-9][0-9]Z warning disk full\n$"));
}

TEST_F(LoggingTest, WritesNothingBelowTheLevel) {
  const auto log = Make(LogLevel::kWarning, LogStyle::kJournal);
  log->info("no");
  log->warn("yes");
  EXPECT_EQ(Written(), "<4>yes\n");
}

TEST_F(LoggingTest, AMessageCannotForgeALineOrReachTheTerminal) {
  Make(LogLevel::kInfo, LogStyle::kJournal)->info(std::string("said: a\n<0>b\x1b[2Jc"));
  const std::string written = Written();
  EXPECT_EQ(written.find('\n'), written.size() - 1);
  EXPECT_EQ(written.find('\x1b'), std::string::npos);
}

TEST_F(LoggingTest, BracesInAMessageAreNoFormat) {
  Make(LogLevel::kInfo, LogStyle::kJournal)->info(std::string("a {} b {0}"));
  EXPECT_EQ(Written(), "<6>a {} b {0}\n");
}

TEST(LogLevel, IsReadByItsName) {
  for (const LogLevel level : {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo,
                               LogLevel::kWarning, LogLevel::kError}) {
    EXPECT_EQ(ParseLogLevel(Name(level)).value(), level);
  }
  EXPECT_EQ(ParseLogLevel("warn").value(), LogLevel::kWarning);
  for (const char* text : {"", "INFO", "verbose", "3"}) {
    const auto level = ParseLogLevel(text);
    ASSERT_FALSE(level) << text;
    EXPECT_THAT(level.error().what, HasSubstr("choose trace, debug, info, warning or error"));
  }
}

TEST(LogStyle, IsTheJournalsOnlyIfStderrIsTheStreamThatTheVariableNames) {
  struct stat status {};
  ASSERT_EQ(::fstat(STDERR_FILENO, &status), 0);
  const std::string device = std::to_string(status.st_dev);
  const std::string inode = std::to_string(status.st_ino);
  EXPECT_EQ(StyleForStderr((device + ":" + inode).c_str()), LogStyle::kJournal);
  EXPECT_EQ(StyleForStderr((device + ":" + inode + "1").c_str()), LogStyle::kTerminal);
  EXPECT_EQ(StyleForStderr(("1" + device + ":" + inode).c_str()), LogStyle::kTerminal);
  for (const char* text : {"", ":", "1", "1:", "a:b", "99999999999999999999999:1"}) {
    EXPECT_EQ(StyleForStderr(text), LogStyle::kTerminal) << text;
  }
  EXPECT_EQ(StyleForStderr(nullptr), LogStyle::kTerminal);
}

class StateLogTest : public LoggingTest {
 protected:
  const MonoTime start_ = FromBootNanoseconds(1'000'000'000);
  std::shared_ptr<spdlog::logger> log_ = Make(LogLevel::kInfo, LogStyle::kJournal);
  StateLog states_{*log_};
};

TEST_F(StateLogTest, TellsOfAStateWhenItBeginsAndWhenItEnds) {
  for (int i = 0; i < 90; ++i) {
    states_.Begin("disk", LogLevel::kError, "disk full " + std::to_string(i), start_ + i * 1s);
  }
  EXPECT_EQ(Written(), "<3>disk full 0\n");
  EXPECT_TRUE(states_.Lasts("disk"));
  EXPECT_TRUE(states_.End("disk", "disk has space", start_ + 90s));
  EXPECT_EQ(Written(), "<3>disk full 0\n<6>disk has space (lasted 1m30s, seen 90 times)\n");
  EXPECT_FALSE(states_.Lasts("disk"));
}

TEST_F(StateLogTest, WhatDoesNotLastCannotEnd) {
  EXPECT_FALSE(states_.End("disk", "disk has space", start_));
  EXPECT_EQ(Written(), "");
}

TEST_F(StateLogTest, AStateThatComesBackIsToldAgain) {
  states_.Begin("disk", LogLevel::kWarning, "full", start_);
  states_.End("disk", "fine", start_ + 500ms);
  states_.Begin("disk", LogLevel::kWarning, "full again", start_ + 1s);
  EXPECT_EQ(Written(), "<4>full\n<6>fine (lasted 500ms, seen once)\n<4>full again\n");
}

TEST_F(StateLogTest, StatesDoNotMix) {
  states_.Begin("a", LogLevel::kInfo, "a is on", start_);
  states_.Begin("b", LogLevel::kInfo, "b is on", start_);
  states_.End("a", "a is off", start_);
  EXPECT_EQ(Written(), "<6>a is on\n<6>b is on\n<6>a is off (lasted 0s, seen once)\n");
  EXPECT_TRUE(states_.Lasts("b"));
}

}  // namespace
}  // namespace doagent::cli
