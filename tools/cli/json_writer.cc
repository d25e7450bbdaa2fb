// {"origin":"1f3a…","host":"web-1","sequence":42,"time_unix_ns":1700000000000000000,
//  "state":"pending","samples":[{"name":"node_load1","labels":{},"value":0.52},…]}
// on one line, or "event" instead of "samples".

#include <charconv>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "tools/cli/record_writer.h"
#include "tools/cli/sample_format.h"
#include "tools/cli/sample_lines.h"

namespace doagent::cli {
namespace {

void RenderJson(const spool::Schema& schema, std::size_t series, std::string& out) {
  out += "{\"name\":";
  AppendJsonString(schema.family_of(series).name, out);
  out += ",\"labels\":{";
  bool first = true;
  for (const spool::Label& label : schema.series()[series].labels) {
    if (!first) out += ',';
    first = false;
    AppendJsonString(label.name, out);
    out += ':';
    AppendJsonString(label.value, out);
  }
  out += "},\"value\":";
}

// Returns how many samples there were.
std::size_t AppendSamples(const spool::Snapshot& snapshot, SeriesCache& cache, std::string& out) {
  std::size_t samples = 0;
  out += "\"samples\":[";
  ForEachSample(
      snapshot, cache,
      [&](std::string_view text, const spool::Representation& representation, std::uint64_t bits) {
        if (samples++ > 0) out += ',';
        out += text;
        AppendJsonValue(representation, bits, out);
        out += '}';
      });
  out += ']';
  return samples;
}

void AppendTime(WallTime time, std::string& out) {
  char digits[24];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), UnixNanoseconds(time)).ptr;
  out += "\"time_unix_ns\":";
  out.append(digits, end);
}

void AppendEvent(const spool::Event& event, std::string& out) {
  out += "\"event\":{\"kind\":";
  AppendJsonString(spool::Name(event.kind), out);
  out += ",\"reason\":";
  AppendJsonString(event.reason, out);
  out += ",\"count\":";
  AppendUnsigned(event.count, out);
  out += ",\"ranges\":[";
  for (std::size_t i = 0; i < event.ranges.size(); ++i) {
    out += i == 0 ? "[" : ",[";
    AppendUnsigned(event.ranges[i].first, out);
    out += ',';
    AppendUnsigned(event.ranges[i].last, out);
    out += ']';
  }
  out += ']';
  if (!event.spool_id.IsZero()) out += ",\"spool_id\":\"" + event.spool_id.Hex() + "\"";
  out += '}';
}

class JsonWriter : public RecordWriter {
 public:
  explicit JsonWriter(std::vector<Selector> selectors)
      : selectors_(std::move(selectors)), cache_(SelectBy(selectors_), RenderJson) {}

  void Append(const spool::Record& record, std::string_view host, std::string& out) override {
    const auto* snapshot = std::get_if<spool::Snapshot>(&record.content);
    if (snapshot == nullptr && !selectors_.empty()) return;
    const std::size_t start = out.size();
    AppendHeader(record, host, out);
    if (snapshot == nullptr) {
      AppendEvent(std::get<spool::Event>(record.content), out);
    } else if (AppendSamples(*snapshot, cache_, out) == 0 && !selectors_.empty()) {
      out.resize(start);
      return;
    }
    out += "}\n";
  }

 private:
  static void AppendHeader(const spool::Record& record, std::string_view host, std::string& out) {
    out += "{\"origin\":\"";
    out += record.spool_id.Hex();
    out += "\",\"host\":";
    AppendJsonString(host, out);
    out += ",\"sequence\":";
    AppendUnsigned(record.sequence, out);
    out += ',';
    AppendTime(record.time, out);
    out += ",\"state\":\"";
    out += Name(record.state);
    out += "\",";
  }

  const std::vector<Selector> selectors_;
  SeriesCache cache_;
};

}  // namespace

std::unique_ptr<RecordWriter> MakeJsonWriter(std::vector<Selector> selectors) {
  return std::make_unique<JsonWriter>(std::move(selectors));
}

void AppendSnapshotJson(const spool::Snapshot& snapshot, std::string& out) {
  SeriesCache cache([](const spool::Schema&, std::size_t) { return true; }, RenderJson);
  out += '{';
  AppendTime(snapshot.wall, out);
  out += ',';
  AppendSamples(snapshot, cache, out);
  out += "}\n";
}

}  // namespace doagent::cli
