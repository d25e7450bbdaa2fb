// Any stretch of history in the OpenMetrics text format, as `promtool tsdb create-blocks-from
// openmetrics` takes it.
//
// The format wants a family's samples together and each series sorted by time, while a spool is
// ordered by sequence. So the spool is read once to learn its series, then again, as often as
// needed, for as many series at a time as fit into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "spool/reader.h"
#include "spool/result.h"
#include "tools/cli/output.h"
#include "tools/cli/selector.h"

namespace doagent::cli {

struct OpenMetricsOptions {
  std::vector<Selector> selectors;
  // The value of the label `instance` for the series of an origin.
  std::function<std::string(const SpoolId&)> instance;
  // Held in memory at a time (16 bytes each), unless one metric alone has more.
  std::size_t samples_per_pass = 4'000'000;
};

struct OpenMetricsSummary {
  std::uint64_t samples = 0;   // written
  std::uint64_t left_out = 0;  // of a series and millisecond that had a later sample
  bool reader_gone = false;    // the output was closed before the end
};

// Reads all records from the beginning, each time it is called; the function returns false to stop.
using VisitRecords =
    std::function<Result<void>(const std::function<bool(const spool::Record&)>& visit)>;

// Times are milliseconds, Prometheus' resolution. Records that are added while this runs are left
// out: the heads that the first pass saw are the end.
Result<OpenMetricsSummary> WriteOpenMetrics(const VisitRecords& visit_records,
                                            const OpenMetricsOptions& options, Output& output);

}  // namespace doagent::cli
