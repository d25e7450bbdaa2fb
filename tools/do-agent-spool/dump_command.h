// do-agent-spool dump: any stretch of a spool's history as text, JSON, CSV or OpenMetrics.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "spool/reader.h"
#include "tools/cli/selector.h"
#include "tools/do-agent-spool/environment.h"

namespace doagent::spool_tool {

enum class DumpFormat { kText, kJson, kCsv, kOpenMetrics };

struct DumpOptions {
  std::filesystem::path spool;
  DumpFormat format = DumpFormat::kText;
  std::string origin;  // a spool id or the beginning of one; empty: all
  std::optional<std::string> host;
  std::optional<WallTime> from;  // included
  std::optional<WallTime> to;    // excluded
  std::optional<spool::DeliveryState> state;
  std::vector<cli::Selector> selectors;
  bool follow = false;
  std::filesystem::path output;  // empty: standard output
};

// kNo: damaged records were left out; the others are there. REQUIRES no follow with OpenMetrics.
ExitStatus Dump(const DumpOptions& options, const Environment& environment);

}  // namespace doagent::spool_tool
