// Records of a spool as text, JSON lines or CSV: what `do-agent-spool dump` prints, one record at a
// time. tools/do-agent-spool/README.md shows the formats. (OpenMetrics
// cannot be written record by record: openmetrics.h.)
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spool/reader.h"
#include "tools/cli/selector.h"

namespace doagent::cli {

// "local", "pending", "acknowledged", "parked".
std::string_view Name(spool::DeliveryState state);

class RecordWriter {
 public:
  virtual ~RecordWriter() = default;

  // What stands before the first record.
  virtual void Begin(std::string& out) { static_cast<void>(out); }
  // Appends the record, or nothing if the format or the selectors leave nothing of it. `host` is
  // the hostname of the record's origin, empty if unknown.
  virtual void Append(const spool::Record& record, std::string_view host, std::string& out) = 0;
};

// With selectors, only matching samples are written: no events, and no snapshots without any.

// For people: a header line per record, then its samples, indented, in exposition syntax.
std::unique_ptr<RecordWriter> MakeTextWriter(std::vector<Selector> selectors);
// An object a line.
std::unique_ptr<RecordWriter> MakeJsonWriter(std::vector<Selector> selectors);
// A line a sample, quoted as RFC 4180 says; events are left out.
std::unique_ptr<RecordWriter> MakeCsvWriter(std::vector<Selector> selectors);

// One snapshot that is not in a spool as one JSON object on a line of its own: `time_unix_ns` and
// `samples`, as in dump.
void AppendSnapshotJson(const spool::Snapshot& snapshot, std::string& out);

}  // namespace doagent::cli
