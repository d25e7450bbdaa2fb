// The programs' log: stderr, through spdlog. Libraries do not log; they return errors and state
// changes, and the program that called them writes the line.
#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <string>
#include <string_view>

#include "spool/result.h"

namespace doagent::cli {

enum class LogLevel { kTrace, kDebug, kInfo, kWarning, kError };

// "trace", "debug", "info", "warning", "error"; "warn" is taken too. Errors carry the text and the
// choice; the caller knows the flag or key.
Result<LogLevel> ParseLogLevel(std::string_view text);
std::string_view Name(LogLevel level);

enum class LogStyle {
  kJournal,   // `<6>text`: the journal has the time, and takes the priority from the prefix
  kTerminal,  // `2024-05-06T07:08:09.500Z info text`
};

// What suits stderr. `journal_stream` is the variable JOURNAL_STREAM that systemd sets for what it
// connects to the journal, as device:inode; null: not set.
LogStyle StyleForStderr(const char* journal_stream);

// Thread-safe; each line is written at once. Whatever a message holds, it is one line, without
// control characters: it may quote another machine.
std::shared_ptr<spdlog::logger> MakeLogger(const std::string& name, LogLevel level, LogStyle style,
                                           spdlog::sink_ptr sink);
std::shared_ptr<spdlog::logger> MakeStderrLogger(const std::string& name, LogLevel level,
                                                 LogStyle style);

}  // namespace doagent::cli
