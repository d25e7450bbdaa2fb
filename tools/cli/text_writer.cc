// 2026-11-22T16:52:30.123Z web-1 1f3a9c02 #42 pending
//   node_load1 0.52
// 2026-11-22T16:52:40.123Z web-1 1f3a9c02 #43 pending event gap: no space left (6 records: 37-42)

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

constexpr std::size_t kShortIdDigits = 8;

void RenderPrintable(const spool::Schema& schema, std::size_t series, std::string& out) {
  std::string text;
  AppendSeries(schema, series, text);
  out += "  ";
  AppendPrintable(text, out);
  out += ' ';
}

void AppendRanges(const std::vector<spool::SequenceRange>& ranges, std::string& out) {
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    out += i == 0 ? " " : ", ";
    AppendUnsigned(ranges[i].first, out);
    if (ranges[i].last == ranges[i].first) continue;
    out += '-';
    AppendUnsigned(ranges[i].last, out);
  }
}

void AppendEvent(const spool::Event& event, std::string& out) {
  out += " event ";
  out += spool::Name(event.kind);
  if (!event.reason.empty()) {
    out += ": ";
    AppendPrintable(event.reason, out);
  }
  if (event.count == 0 && event.ranges.empty()) return;
  out += " (";
  AppendUnsigned(event.count, out);
  out += event.count == 1 ? " record" : " records";
  if (!event.ranges.empty()) out += ':';
  AppendRanges(event.ranges, out);
  if (!event.spool_id.IsZero()) out += " of " + event.spool_id.Hex().substr(0, kShortIdDigits);
  out += ')';
}

class TextWriter : public RecordWriter {
 public:
  explicit TextWriter(std::vector<Selector> selectors)
      : selectors_(std::move(selectors)), cache_(SelectBy(selectors_), RenderPrintable) {}

  void Append(const spool::Record& record, std::string_view host, std::string& out) override {
    const auto* snapshot = std::get_if<spool::Snapshot>(&record.content);
    if (snapshot == nullptr) {
      if (!selectors_.empty()) return;
      AppendHeader(record, host, out);
      AppendEvent(std::get<spool::Event>(record.content), out);
      out += '\n';
      return;
    }
    const std::size_t start = out.size();
    AppendHeader(record, host, out);
    out += '\n';
    const std::size_t header_end = out.size();
    ForEachSample(*snapshot, cache_,
                  [&out](std::string_view text, const spool::Representation& representation,
                         std::uint64_t bits) {
                    out += text;
                    AppendValue(representation, bits, out);
                    out += '\n';
                  });
    if (!selectors_.empty() && out.size() == header_end) out.resize(start);
  }

 private:
  static void AppendHeader(const spool::Record& record, std::string_view host, std::string& out) {
    out += FormatTime(record.time);
    out += ' ';
    AppendPrintable(host.empty() ? "-" : host, out);
    out += ' ';
    out += record.spool_id.Hex().substr(0, kShortIdDigits);
    out += " #";
    AppendUnsigned(record.sequence, out);
    out += ' ';
    out += Name(record.state);
  }

  const std::vector<Selector> selectors_;
  SeriesCache cache_;
};

}  // namespace

std::unique_ptr<RecordWriter> MakeTextWriter(std::vector<Selector> selectors) {
  return std::make_unique<TextWriter>(std::move(selectors));
}

}  // namespace doagent::cli
