#include "tools/cli/state_log.h"

#include <algorithm>

#include "tools/cli/duration.h"

namespace doagent::cli {
namespace {

void Write(spdlog::logger& log, LogLevel level, const std::string& text) {
  switch (level) {
    case LogLevel::kTrace: log.trace(text); return;
    case LogLevel::kDebug: log.debug(text); return;
    case LogLevel::kInfo: log.info(text); return;
    case LogLevel::kWarning: log.warn(text); return;
    case LogLevel::kError: log.error(text); return;
  }
}

}  // namespace

void StateLog::Begin(const std::string& state, LogLevel level, std::string_view text,
                     MonoTime now) {
  const auto [entry, began] = lasting_.try_emplace(state, Lasting{now, 0});
  ++entry->second.times;
  if (began) Write(log_, level, std::string(text));
}

bool StateLog::End(const std::string& state, std::string_view text, MonoTime now) {
  const auto entry = lasting_.find(state);
  if (entry == lasting_.end()) return false;
  const Lasting lasting = entry->second;
  lasting_.erase(entry);
  const Nanoseconds lasted = std::max(now - lasting.since, Nanoseconds(0));
  std::string line(text);
  line += " (lasted " + FormatDuration(lasted) + ", seen ";
  line += lasting.times == 1 ? "once)" : std::to_string(lasting.times) + " times)";
  log_.info(line);
  return true;
}

}  // namespace doagent::cli
