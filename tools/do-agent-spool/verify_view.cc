#include "tools/do-agent-spool/verify_view.h"

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/cli/sample_format.h"

namespace doagent::spool_tool {
namespace {

using Json = nlohmann::ordered_json;

// Ranges that the text shows by number; the others are counted.
constexpr std::size_t kRangesShown = 5;
constexpr std::size_t kNameColumn = 14;

// Names come from other machines: what is not UTF-8 is replaced, not thrown at.
std::string Line(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void AppendRow(std::string_view name, std::string_view value, std::string& out) {
  out += "  ";
  out += name;
  out.append(kNameColumn - std::min(kNameColumn - 1, name.size()), ' ');
  out += value;
  out += '\n';
}

std::string Count(std::uint64_t count, const std::string& one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

std::string RangeText(const spool::SequenceRange& range) {
  return range.first == range.last ? fmt::format("{}", range.first)
                                   : fmt::format("{}-{}", range.first, range.last);
}

// " 7-9 20 and 3 more ranges", of `all` ranges.
std::string ListText(const std::vector<std::string>& ranges, std::uint64_t all) {
  std::string text;
  const std::size_t shown = std::min(ranges.size(), kRangesShown);
  for (std::size_t i = 0; i < shown; ++i) text += " " + ranges[i];
  if (all > shown) text += " and " + Count(all - shown, "more range");
  return text;
}

std::string RecordsText(const spool::OriginSummary& origin) {
  if (origin.last_sequence == 0) return "none";
  return fmt::format("{} to {}: {}, {}, {} in {}", origin.first_sequence, origin.last_sequence,
                     Count(origin.rows, "row"), Count(origin.events, "event"),
                     Count(origin.block_snapshots, "snapshot"), Count(origin.blocks, "block"));
}

std::string RemovedText(const spool::OriginSummary& origin) {
  std::vector<std::string> ranges;
  for (const auto& removed : origin.removed) {
    ranges.push_back(fmt::format("{} {}", removed.kind, RangeText(removed.range)));
  }
  return Count(origin.removed_records, "record") + ":" + ListText(ranges, origin.removed_ranges);
}

std::string MissingText(const spool::OriginSummary& origin) {
  if (origin.missing_records == 0) return "none";
  std::vector<std::string> ranges;
  for (const auto& range : origin.missing) ranges.push_back(RangeText(range));
  return fmt::format("{}:", origin.missing_records) + ListText(ranges, origin.missing_ranges);
}

}  // namespace

std::string FindingJson(const spool::Finding& finding) {
  return Line({{"type", "finding"}, {"place", finding.place}, {"what", finding.what}});
}

std::string FindingText(const spool::Finding& finding) {
  std::string line = "finding: ";
  cli::AppendPrintable(finding.place + ": " + finding.what, line);
  line += '\n';
  return line;
}

std::string OriginJson(const spool::OriginSummary& origin) {
  Json removed = Json::array();
  for (const auto& one : origin.removed) {
    removed.push_back({{"kind", one.kind}, {"range", {one.range.first, one.range.last}}});
  }
  Json missing = Json::array();
  for (const auto& range : origin.missing)
    missing.push_back(Json::array({range.first, range.last}));
  return Line({{"type", "origin"},
               {"origin", origin.spool_id.IsZero() ? "" : origin.spool_id.Hex()},
               {"host", origin.host.hostname},
               {"first_sequence", origin.first_sequence},
               {"last_sequence", origin.last_sequence},
               {"rows", origin.rows},
               {"events", origin.events},
               {"blocks", origin.blocks},
               {"block_snapshots", origin.block_snapshots},
               {"unsealed_rows", origin.unsealed_rows},
               {"unsealed_from", origin.unsealed_from},
               {"removed_records", origin.removed_records},
               {"removed_ranges", origin.removed_ranges},
               {"removed", std::move(removed)},
               {"explained_records", origin.explained_records},
               {"lost_records", origin.lost_records},
               {"missing_records", origin.missing_records},
               {"missing_ranges", origin.missing_ranges},
               {"missing", std::move(missing)}});
}

std::string OriginText(const spool::OriginSummary& origin) {
  std::string out = "\n";
  const std::string& hostname = origin.host.hostname;
  cli::AppendPrintable(hostname.empty() ? "(no hostname)" : hostname, out);
  out += "  " + (origin.spool_id.IsZero() ? origin.name : origin.spool_id.Hex()) + "\n";
  AppendRow("records", RecordsText(origin), out);
  AppendRow(
      "unsealed",
      origin.unsealed_rows == 0
          ? std::string("none")
          : fmt::format("{}, from {} on", Count(origin.unsealed_rows, "row"), origin.unsealed_from),
      out);
  AppendRow("removed", origin.removed_ranges == 0 ? "none" : RemovedText(origin), out);
  if (origin.explained_records > 0) {
    AppendRow("explained",
              Count(origin.explained_records, "record") + " not there, and events tell why", out);
  }
  AppendRow("lost", fmt::format("{}, by the ledger", origin.lost_records), out);
  AppendRow("missing", MissingText(origin), out);
  return out;
}

std::string SummaryJson(const spool::VerifySummary& summary) {
  return Line({{"type", "summary"},
               {"intact", summary.findings == 0},
               {"findings", summary.findings},
               {"spool_id", summary.spool_id.IsZero() ? "" : summary.spool_id.Hex()},
               {"kind", summary.receiver ? "receiver" : "agent"},
               {"origins", summary.origins},
               {"rows", summary.rows},
               {"events", summary.events},
               {"blocks", summary.blocks},
               {"block_snapshots", summary.block_snapshots},
               {"objects", summary.objects},
               {"bytes", summary.bytes}});
}

std::string SummaryText(const spool::VerifySummary& summary, const std::string& path) {
  std::string out = "\n" + Count(summary.origins, "origin") + ", " +
                    Count(summary.rows + summary.events + summary.block_snapshots, "record") +
                    ", " + Count(summary.blocks, "block") + ", " +
                    Count(summary.objects, "object") + " stored twice, " +
                    Count(summary.bytes, "byte") + " checked\n";
  if (summary.findings == 0) return out + "everything is as it was written\n";
  out += Count(summary.findings, "finding") +
         "; to save what is intact: do-agent-spool salvage --spool ";
  cli::AppendPrintable(path, out);
  return out + " --output NEW\n";
}

}  // namespace doagent::spool_tool
