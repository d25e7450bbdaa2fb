#include "tools/cli/openmetrics.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string_view>

#include "tools/cli/metric_family.h"
#include "tools/cli/openmetrics_plan.h"
#include "tools/cli/sample_format.h"

namespace doagent::cli {
namespace {

constexpr std::string_view kTotal = "_total";

struct Point {
  std::int64_t time_unix_ms = 0;
  double value = 0;
};
using Column = std::vector<Point>;

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() > suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

void AppendTimestamp(std::int64_t time_unix_ms, std::string& out) {
  if (time_unix_ms < 0) out += '-';
  const std::uint64_t magnitude = time_unix_ms < 0 ? ~static_cast<std::uint64_t>(time_unix_ms) + 1
                                                   : static_cast<std::uint64_t>(time_unix_ms);
  AppendUnsigned(magnitude / 1000, out);
  const auto fraction = static_cast<int>(magnitude % 1000);
  out += '.';
  out += static_cast<char>('0' + fraction / 100);
  out += static_cast<char>('0' + fraction / 10 % 10);
  out += static_cast<char>('0' + fraction % 10);
}

void AppendMetadata(std::string_view keyword, std::string_view name, std::string_view text,
                    std::string& out) {
  out += "# ";
  out += keyword;
  out += ' ';
  out += name;
  out += ' ';
  out += text;
  out += '\n';
}

// A counter is declared without the _total that its samples have. One whose name lacks it, or whose
// name without it is another family's, cannot be declared a counter.
void AppendDeclaration(const std::string& name, const FamilyTable& families, std::string& out) {
  const Declaration& declaration = families.Get(name);
  std::string_view declared = name;
  std::string_view type = spool::Name(declaration.type);
  if (declaration.type == spool::MetricType::kUntyped) type = "unknown";
  if (declaration.type == spool::MetricType::kCounter) {
    const std::string_view stem =
        EndsWith(name, kTotal) ? declared.substr(0, name.size() - kTotal.size()) : "";
    if (stem.empty() || families.Contains(std::string(stem))) {
      type = "unknown";
    } else {
      declared = stem;
    }
  }
  AppendMetadata("TYPE", declared, type, out);
  if (!declaration.unit.empty() && EndsWith(declared, "_" + declaration.unit)) {
    AppendMetadata("UNIT", declared, declaration.unit, out);
  }
  if (!declaration.help.empty()) {
    std::string help;
    AppendHelp(declaration.help, true, help);
    AppendMetadata("HELP", declared, help, out);
  }
}

// Sorts by time and keeps, of several points at one time, the last; returns how many went.
std::size_t SortAndThin(Column& column) {
  const auto earlier = [](const Point& a, const Point& b) {
    return a.time_unix_ms < b.time_unix_ms;
  };
  if (!std::is_sorted(column.begin(), column.end(), earlier)) {
    std::stable_sort(column.begin(), column.end(), earlier);
  }
  std::size_t kept = 0;
  for (const Point& point : column) {
    if (kept > 0 && column[kept - 1].time_unix_ms == point.time_unix_ms) --kept;
    column[kept++] = point;
  }
  const std::size_t removed = column.size() - kept;
  column.resize(kept);
  return removed;
}

class Writer {
 public:
  Writer(const VisitRecords& visit_records, const OpenMetricsOptions& options, Output& output)
      : visit_records_(visit_records), options_(options), output_(output), plan_(options) {}

  Result<OpenMetricsSummary> Run() {
    DOAGENT_TRY(visit_records_([this](const spool::Record& record) {
      plan_.Count(record);
      return true;
    }));
    plan_.Order();
    const auto& metrics = plan_.metrics();
    for (std::size_t first = 0; first < metrics.size() && !summary_.reader_gone;) {
      std::size_t end = first;
      std::uint64_t samples = 0;
      do {
        samples += metrics[end++].samples;
      } while (end < metrics.size() && samples + metrics[end].samples <= options_.samples_per_pass);
      DOAGENT_TRY(Pass(first, end));
      first = end;
    }
    output_.text() += "# EOF\n";
    DOAGENT_ASSIGN(const bool open, output_.Flush());
    summary_.reader_gone = !open;
    return summary_;
  }

 private:
  // Reads and writes the metrics [first, end).
  Result<void> Pass(std::size_t first, std::size_t end) {
    const std::size_t base = plan_.metrics()[first].first;
    const std::size_t limit = plan_.metrics()[end - 1].end;
    std::vector<Column> columns(limit - base);
    for (std::size_t i = base; i < limit; ++i) columns[i - base].reserve(plan_.series()[i].samples);
    DOAGENT_TRY(visit_records_([&](const spool::Record& record) {
      const std::int64_t time_unix_ms = UnixMilliseconds(record.time);
      plan_.ForEachSample(record, [&](std::size_t series, double value) {
        if (series >= base && series < limit) {
          columns[series - base].push_back({time_unix_ms, value});
        }
      });
      return true;
    }));
    for (Column& column : columns) summary_.left_out += SortAndThin(column);
    for (std::size_t i = first; i < end && !summary_.reader_gone; ++i) {
      const OpenMetricsPlan::Metric& metric = plan_.metrics()[i];
      DOAGENT_TRY(Write(metric, &columns[metric.first - base]));
    }
    return {};
  }

  // A histogram's samples stand time by time, all parts of one time together.
  Result<void> Write(const OpenMetricsPlan::Metric& metric, const Column* columns) {
    const std::size_t parts = metric.end - metric.first;
    std::vector<std::size_t> next(parts, 0);
    while (!summary_.reader_gone) {
      const Point* earliest = nullptr;
      for (std::size_t i = 0; i < parts; ++i) {
        if (next[i] == columns[i].size()) continue;
        const Point* point = &columns[i][next[i]];
        if (earliest == nullptr || point->time_unix_ms < earliest->time_unix_ms) earliest = point;
      }
      if (earliest == nullptr) break;
      for (std::size_t i = 0; i < parts; ++i) {
        if (next[i] == columns[i].size()) continue;
        const Point& point = columns[i][next[i]];
        if (point.time_unix_ms != earliest->time_unix_ms) continue;
        AppendSample(plan_.series()[metric.first + i], point);
        ++next[i];
      }
      DOAGENT_ASSIGN(const bool open, output_.Relieve());
      summary_.reader_gone = !open;
    }
    return {};
  }

  void AppendSample(const OpenMetricsPlan::Series& series, const Point& point) {
    std::string& out = output_.text();
    if (series.family != declared_) AppendDeclaration(*series.family, plan_.families(), out);
    declared_ = series.family;
    out += series.text;
    out += ' ';
    AppendDouble(point.value, out);
    out += ' ';
    AppendTimestamp(point.time_unix_ms, out);
    out += '\n';
    ++summary_.samples;
  }

  const VisitRecords& visit_records_;
  const OpenMetricsOptions& options_;
  Output& output_;
  OpenMetricsPlan plan_;
  OpenMetricsSummary summary_;
  const std::string* declared_ = nullptr;  // the family whose samples are being written
};

}  // namespace

Result<OpenMetricsSummary> WriteOpenMetrics(const VisitRecords& visit_records,
                                            const OpenMetricsOptions& options, Output& output) {
  return Writer(visit_records, options, output).Run();
}

}  // namespace doagent::cli
