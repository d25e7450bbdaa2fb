#include "tools/cli/logging.h"

#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <utility>

#include "tools/cli/sample_format.h"
#include "tools/cli/time_text.h"

namespace doagent::cli {
namespace {

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace: return spdlog::level::trace;
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

// syslog(3) priorities, as sd-daemon(3) has them.
std::string_view JournalPrefix(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug: return "<7>";
    case spdlog::level::warn: return "<4>";
    case spdlog::level::err: return "<3>";
    case spdlog::level::critical: return "<2>";
    default: return "<6>";
  }
}

class LineFormatter : public spdlog::formatter {
 public:
  explicit LineFormatter(LogStyle style) : style_(style) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    std::string line;
    if (style_ == LogStyle::kJournal) {
      line += JournalPrefix(message.level);
    } else {
      const auto level = spdlog::level::to_string_view(message.level);
      line += FormatTime(std::chrono::time_point_cast<Nanoseconds>(message.time));
      line += ' ';
      line.append(level.data(), level.size());
      line += ' ';
    }
    AppendPrintable(std::string_view(message.payload.data(), message.payload.size()), line);
    line += '\n';
    out.append(line.data(), line.data() + line.size());
  }

  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(style_);
  }

 private:
  LogStyle style_;
};

}  // namespace

Result<LogLevel> ParseLogLevel(std::string_view text) {
  for (const LogLevel level : {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo,
                               LogLevel::kWarning, LogLevel::kError}) {
    if (text == Name(level)) return level;
  }
  if (text == "warn") return LogLevel::kWarning;
  return Fail(ErrorCode::kRefuse, "",
              "\"" + std::string(text) +
                  "\" is not a log level; choose trace, debug, info, warning or error");
}

std::string_view Name(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace: return "trace";
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "";
}

LogStyle StyleForStderr(const char* journal_stream) {
  if (journal_stream == nullptr) return LogStyle::kTerminal;
  // A program that a service starts with its own stderr inherits the variable, hence the check.
  const char* const end = journal_stream + std::strlen(journal_stream);
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  const auto first = std::from_chars(journal_stream, end, device);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':') return LogStyle::kTerminal;
  const auto second = std::from_chars(first.ptr + 1, end, inode);
  if (second.ec != std::errc() || second.ptr != end) return LogStyle::kTerminal;

  struct stat status {};
  const bool same =
      ::fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
  return same ? LogStyle::kJournal : LogStyle::kTerminal;
}

std::shared_ptr<spdlog::logger> MakeLogger(const std::string& name, LogLevel level, LogStyle style,
                                           spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>(name, std::move(sink));
  logger->set_formatter(std::make_unique<LineFormatter>(style));
  logger->set_level(SpdlogLevel(level));
  logger->flush_on(spdlog::level::trace);
  return logger;
}

std::shared_ptr<spdlog::logger> MakeStderrLogger(const std::string& name, LogLevel level,
                                                 LogStyle style) {
  return MakeLogger(name, level, style, std::make_shared<spdlog::sinks::stderr_sink_mt>());
}

}  // namespace doagent::cli
