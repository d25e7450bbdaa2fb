#include "tests/bench/trace.h"

#include <zstd.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace doagent::bench {
namespace {

using spool::MetricType;
using spool::Representation;
using spool::ValueKind;

constexpr std::string_view kMagic = "NESD0001";
constexpr std::uint64_t kNoSample = 0x7ff0000000000002;
constexpr std::size_t kBytesMax = std::size_t{1} << 30;

struct Column {
  std::string name;  // with its labels, as in the exposition format
  MetricType type = MetricType::kUntyped;
  std::vector<double> values;  // of the ticks that were asked for
  std::vector<std::uint8_t> present;
};

struct Table {
  std::vector<std::int64_t> unix_ms;
  std::vector<Column> columns;
};

Result<std::string> Decompress(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string packed{std::istreambuf_iterator<char>(file), {}};
  if (!file || packed.empty()) {
    return Fail(ErrorCode::kRefuse, path, "cannot be read, or is empty");
  }
  const auto size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size > kBytesMax) {
    return Fail(ErrorCode::kRefuse, path, "is no zstd frame that tells its size, up to 1 GiB");
  }
  std::string content(size, '\0');
  const std::size_t got =
      ZSTD_decompress(content.data(), content.size(), packed.data(), packed.size());
  if (ZSTD_isError(got) != 0) {
    return Fail(ErrorCode::kRefuse, path, ZSTD_getErrorName(got));
  }
  return content;
}

// Little-endian fields, one after the other. After the end, everything is zero and `whole` false.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}

  std::string_view Bytes(std::size_t count) {
    if (count > bytes_.size()) {
      whole_ = false;
      bytes_ = {};
      return {};
    }
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  template <typename T>
  T Number() {
    T value = {};
    const std::string_view bytes = Bytes(sizeof value);
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  bool whole() const { return whole_; }
  std::size_t left() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
  bool whole_ = true;
};

bool OfTheHost(std::string_view name) {
  for (const char* prefix : {"go_", "process_", "promhttp_", "node_scrape_", "node_exporter_"}) {
    if (name.starts_with(prefix)) return false;
  }
  return true;
}

Result<Table> Parse(std::string_view content, std::size_t step, std::size_t ticks_max,
                    const std::string& path) {
  const auto damaged = [&path] { return Fail(ErrorCode::kRefuse, path, "is no NESD0001 trace"); };
  Fields fields(content);
  if (fields.Bytes(kMagic.size()) != kMagic) return damaged();
  const std::size_t series = fields.Number<std::uint32_t>();
  const std::size_t ticks = fields.Number<std::uint32_t>();
  if (series > fields.left() || ticks > fields.left()) return damaged();

  std::vector<Column> columns(series);
  for (Column& column : columns) {
    const auto type = fields.Number<std::uint8_t>();
    if (type > static_cast<std::uint8_t>(MetricType::kSummary)) return damaged();
    column.type = static_cast<MetricType>(type);
    column.name = fields.Bytes(fields.Number<std::uint16_t>());
  }
  Table table;
  for (std::size_t tick = 0; tick < ticks; ++tick) {
    const auto unix_ms = fields.Number<std::int64_t>();
    if (tick % step == 0 && tick / step < ticks_max) table.unix_ms.push_back(unix_ms);
  }
  for (Column& column : columns) {
    for (std::size_t tick = 0; tick < ticks; ++tick) {
      const auto bits = fields.Number<std::uint64_t>();
      if (tick % step != 0 || tick / step >= ticks_max) continue;
      column.present.push_back(bits == kNoSample ? 0 : 1);
      column.values.push_back(bits == kNoSample ? 0 : std::bit_cast<double>(bits));
    }
    if (OfTheHost(column.name)) table.columns.push_back(std::move(column));
  }
  if (!fields.whole() || table.columns.empty() || table.unix_ms.empty()) return damaged();
  return table;
}

// The integer behind the value. Decimal text and the exporter's own arithmetic may have moved the
// value by a unit in its last place or two.
bool RecoverInteger(double value, const Representation& representation, std::int64_t& integer) {
  const double scaled =
      value * static_cast<double>(representation.div) / static_cast<double>(representation.mul);
  if (!(std::fabs(scaled) < 0x1p53)) return false;
  integer = std::llround(scaled);
  return std::fabs(scaled - static_cast<double>(integer)) <= std::fabs(scaled) * 0x1p-51;
}

// What all values of a family's series can be written with: the largest unit wins, since that is
// what the kernel counts in.
Representation RepresentationOf(const std::vector<const Column*>& columns) {
  static constexpr std::array<Representation, 7> kCandidates = {{{ValueKind::kSigned, 4096, 1},
                                                                 {ValueKind::kSigned, 1024, 1},
                                                                 {ValueKind::kSigned, 512, 1},
                                                                 {ValueKind::kSigned, 1, 1},
                                                                 {ValueKind::kSigned, 1, 100},
                                                                 {ValueKind::kSigned, 1, 1000},
                                                                 {ValueKind::kSigned, 1, 1000000}}};
  for (const Representation& candidate : kCandidates) {
    bool fits = true;
    for (const Column* column : columns) {
      std::int64_t integer = 0;
      for (std::size_t i = 0; fits && i < column->values.size(); ++i) {
        fits = RecoverInteger(column->values[i], candidate, integer);
      }
    }
    if (fits) return candidate;
  }
  return {ValueKind::kDouble, 1, 1};
}

// `cpu="0",mode="idle"`; the trace has no escapes that matter here.
std::vector<spool::Label> ParseLabels(std::string_view text) {
  std::vector<spool::Label> labels;
  while (true) {
    const std::size_t equals = text.find("=\"");
    if (equals == std::string_view::npos) return labels;
    std::size_t end = equals + 2;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    end = std::min(end, text.size());
    labels.push_back({std::string(text.substr(0, equals)),
                      std::string(text.substr(equals + 2, end - equals - 2))});
    text.remove_prefix(std::min(end + 2, text.size()));
  }
}

// "memory" of node_memory_MemFree_bytes.
std::string CollectorOf(std::string_view name) {
  const std::size_t first = name.find('_') + 1;
  return std::string(name.substr(first, name.find('_', first) - first));
}

// The columns of one collector, with the schema that they make.
struct Group {
  spool::SchemaPtr schema;
  std::vector<const Column*> columns;  // in the schema's order
};

std::vector<Group> Grouped(const std::vector<Column>& columns) {
  std::map<std::string, std::map<std::string, std::vector<const Column*>>> collectors;
  for (const Column& column : columns) {
    const std::string name = column.name.substr(0, column.name.find('{'));
    collectors[CollectorOf(name)][name].push_back(&column);
  }
  std::vector<Group> groups;
  for (const auto& [collector, families_of] : collectors) {
    Group group;
    std::vector<spool::Family> families;
    std::vector<spool::Series> series;
    for (const auto& [name, members] : families_of) {
      families.push_back({name, "", members.front()->type, RepresentationOf(members), ""});
      for (const Column* column : members) {
        const std::size_t brace = column->name.find('{');
        series.push_back({static_cast<std::uint32_t>(families.size() - 1),
                          brace == std::string::npos
                              ? std::vector<spool::Label>()
                              : ParseLabels(std::string_view(column->name).substr(brace + 1))});
        group.columns.push_back(column);
      }
    }
    group.schema = std::make_shared<const spool::Schema>(collector, families, series);
    groups.push_back(std::move(group));
  }
  return groups;
}

spool::Section SectionAt(const Group& group, std::size_t tick) {
  spool::Section section{group.schema, {}, {}};
  for (std::size_t i = 0; i < group.columns.size(); ++i) {
    const Column& column = *group.columns[i];
    const Representation& representation = group.schema->family_of(i).representation;
    std::uint64_t bits = spool::BitsOf(column.values[tick]);
    if (representation.kind == ValueKind::kSigned) {
      std::int64_t integer = 0;
      RecoverInteger(column.values[tick], representation, integer);
      bits = static_cast<std::uint64_t>(integer);
    }
    section.values.push_back(column.present[tick] != 0 ? bits : 0);
    section.present.push_back(column.present[tick]);
  }
  return section;
}

}  // namespace

Result<Trace> LoadTrace(const std::filesystem::path& file, std::size_t step, std::size_t ticks) {
  DOAGENT_ASSIGN(const std::string content, Decompress(file));
  DOAGENT_ASSIGN(const Table table, Parse(content, step, ticks, file));
  const std::vector<Group> groups = Grouped(table.columns);
  Trace trace;
  for (std::size_t tick = 0; tick < table.unix_ms.size(); ++tick) {
    const auto since_start = std::chrono::milliseconds(table.unix_ms[tick] - table.unix_ms[0]);
    spool::Snapshot snapshot;
    snapshot.wall = WallTime(std::chrono::milliseconds(table.unix_ms[tick]));
    snapshot.mono = MonoTime(std::chrono::hours(1) + since_start);
    for (const Group& group : groups) {
      snapshot.sections.push_back(SectionAt(group, tick));
      for (const std::uint8_t present : snapshot.sections.back().present) trace.samples += present;
    }
    trace.snapshots.push_back(std::move(snapshot));
  }
  return trace;
}

}  // namespace doagent::bench
