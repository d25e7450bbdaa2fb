// origin,sequence,time,metric,labels,value
// 1f3a…,42,2026-11-22T16:52:30.123Z,node_cpu_seconds_total,"cpu=""0"",mode=""idle""",123.45
//
// Quoted as RFC 4180 says; lines end in a line feed alone, as Unix tools expect.

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "tools/cli/record_writer.h"
#include "tools/cli/sample_format.h"
#include "tools/cli/sample_lines.h"
#include "tools/cli/time_text.h"

namespace doagent::cli {
namespace {

void AppendField(std::string_view text, std::string& out) {
  if (text.find_first_of("\",\r\n") == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

void RenderCsv(const spool::Schema& schema, std::size_t series, std::string& out) {
  AppendMetricName(schema.family_of(series).name, out);
  out += ',';
  std::string labels;
  AppendLabels(schema.series()[series].labels, labels);
  AppendField(labels, out);
  out += ',';
}

class CsvWriter : public RecordWriter {
 public:
  explicit CsvWriter(std::vector<Selector> selectors)
      : selectors_(std::move(selectors)), cache_(SelectBy(selectors_), RenderCsv) {}

  void Begin(std::string& out) override { out += "origin,sequence,time,metric,labels,value\n"; }

  void Append(const spool::Record& record, std::string_view /*host*/, std::string& out) override {
    const auto* snapshot = std::get_if<spool::Snapshot>(&record.content);
    if (snapshot == nullptr) return;
    prefix_ = record.spool_id.Hex();
    prefix_ += ',';
    AppendUnsigned(record.sequence, prefix_);
    prefix_ += ',';
    prefix_ += FormatTime(record.time);
    prefix_ += ',';
    ForEachSample(*snapshot, cache_,
                  [&](std::string_view text, const spool::Representation& representation,
                      std::uint64_t bits) {
                    out += prefix_;
                    out += text;
                    AppendValue(representation, bits, out);
                    out += '\n';
                  });
  }

 private:
  const std::vector<Selector> selectors_;
  SeriesCache cache_;
  std::string prefix_;  // the first three fields, the same for a record's samples
};

}  // namespace

std::unique_ptr<RecordWriter> MakeCsvWriter(std::vector<Selector> selectors) {
  return std::make_unique<CsvWriter>(std::move(selectors));
}

}  // namespace doagent::cli
