// Logs what lasts: a line when it begins, a line when it ends, and nothing in between, however
// often it happens. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "spool/time.h"
#include "tools/cli/logging.h"

namespace doagent::cli {

class StateLog {
 public:
  // REQUIRES that the logger outlives this.
  explicit StateLog(spdlog::logger& log) : log_(log) {}

  // The state is there. Logs the text if it was not there before, else counts.
  void Begin(const std::string& state, LogLevel level, std::string_view text, MonoTime now);
  // The state is over. If it was there, logs the text with how long it lasted and how often Begin
  // was called. True if it was there.
  bool End(const std::string& state, std::string_view text, MonoTime now);

  bool Lasts(const std::string& state) const { return lasting_.count(state) > 0; }

 private:
  struct Lasting {
    MonoTime since;
    std::uint64_t times = 0;
  };

  spdlog::logger& log_;
  std::map<std::string, Lasting> lasting_;
};

}  // namespace doagent::cli
