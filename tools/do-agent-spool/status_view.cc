#include "tools/do-agent-spool/status_view.h"

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <string_view>

#include "tools/cli/duration.h"
#include "tools/cli/sample_format.h"
#include "tools/cli/time_text.h"

namespace doagent::spool_tool {
namespace {

using Json = nlohmann::ordered_json;

// Missing ranges that the text shows by number; the others are counted.
constexpr std::size_t kRangesShown = 5;
constexpr std::size_t kNameColumn = 14;

Json OriginJson(const spool::OriginStatus& origin) {
  Json missing = Json::array();
  for (const spool::SequenceRange& range : origin.missing) {
    missing.push_back(Json::array({range.first, range.last}));
  }
  Json oldest = nullptr;
  if (origin.oldest_pending) oldest = UnixMilliseconds(*origin.oldest_pending);
  Json ledger = Json::object();
  for (const spool::LedgerTotal& total : origin.ledger) {
    ledger[std::string(spool::Name(total.kind))] = {{"events", total.events},
                                                    {"records", total.records}};
  }
  return {{"origin", origin.spool_id.Hex()},
          {"host", origin.host.hostname},
          {"machine_id", origin.host.machine_id},
          {"droplet_id", origin.host.droplet_id},
          {"region", origin.host.region},
          {"agent_version", origin.host.agent_version},
          {"first_sequence", origin.first_sequence},
          {"last_sequence", origin.last_sequence},
          {"pending_records", origin.pending_records},
          {"pending_bytes", origin.pending_bytes},
          {"acknowledged_records", origin.acknowledged_records},
          {"parked_records", origin.parked_records},
          {"lost_records", origin.lost_records},
          {"oldest_pending_unix_ms", std::move(oldest)},
          {"ledger", std::move(ledger)},
          {"missing", std::move(missing)}};
}

Json OrNull(const std::optional<std::uint64_t>& number) {
  return number ? Json(*number) : Json();
}

std::optional<std::uint64_t> Seconds(const std::optional<Nanoseconds>& duration) {
  if (!duration) return std::nullopt;
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(*duration).count());
}

void AppendRow(std::string_view name, std::string_view value, std::string& out) {
  out += "  ";
  out += name;
  out.append(kNameColumn - std::min(kNameColumn - 1, name.size()), ' ');
  cli::AppendPrintable(value, out);
  out += '\n';
}

// To three digits or so: "11.8 MiB".
std::string SizeText(std::uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : 1, kUnits[unit]);
}

// "1h2m3s old", or how far in the future it lies: clocks step.
std::string AgeText(WallTime time, WallTime now) {
  const auto age = std::chrono::floor<std::chrono::seconds>(now - time);
  return age >= std::chrono::seconds(0) ? cli::FormatDuration(age) + " old"
                                        : cli::FormatDuration(-age) + " in the future";
}

std::string PendingText(const spool::OriginStatus& origin, WallTime now) {
  std::string text = std::to_string(origin.pending_records);
  if (origin.pending_records > 0) text += " (" + SizeText(origin.pending_bytes) + ")";
  if (origin.oldest_pending) {
    text += fmt::format(", the oldest from {} ({})", cli::FormatTime(*origin.oldest_pending),
                        AgeText(*origin.oldest_pending, now));
  }
  return text;
}

// What the ledger has of the kinds that count records: "gap 12 in 2 events, park 1 in 1 event".
std::string LedgerText(const std::vector<spool::LedgerTotal>& ledger) {
  std::string text;
  for (const spool::LedgerTotal& total : ledger) {
    if (total.records == 0 && !spool::MeansLoss(total.kind)) continue;
    text += fmt::format("{}{} {} in {} {}", text.empty() ? "" : ", ", spool::Name(total.kind),
                        total.records, total.events, total.events == 1 ? "event" : "events");
  }
  return text;
}

// How long until the limit is reached, and what it would take.
std::string RoomText(const spool::SpoolStatus& status) {
  std::string text = status.bytes_max == 0 ? "no limit" : SizeText(status.bytes_max) + " at most";
  if (status.disk_free_bytes) {
    text += ", " + SizeText(*status.disk_free_bytes) + " free on the disk";
  }
  if (!status.bytes_per_day) return text;
  text += ", " + SizeText(*status.bytes_per_day) + " a day";
  if (!status.time_to_full) return text;
  const auto days =
      std::chrono::duration_cast<std::chrono::hours>(*status.time_to_full).count() / 24;
  if (days >= 2) return text + fmt::format(": full in {} days if nothing goes", days);
  return text + ": full in " +
         cli::FormatDuration(std::chrono::floor<std::chrono::minutes>(*status.time_to_full)) +
         " if nothing goes";
}

std::string MissingText(const std::vector<spool::SequenceRange>& missing) {
  if (missing.empty()) return "none";
  std::uint64_t records = 0;
  for (const spool::SequenceRange& range : missing) records += range.count();
  std::string text = fmt::format("{}:", records);
  for (std::size_t i = 0; i < std::min(missing.size(), kRangesShown); ++i) {
    const auto& [first, last] = missing[i];
    text += first == last ? fmt::format(" {}", first) : fmt::format(" {}-{}", first, last);
  }
  if (missing.size() > kRangesShown) {
    text += fmt::format(" and {} more ranges", missing.size() - kRangesShown);
  }
  return text;
}

void AppendOrigin(const spool::OriginStatus& origin, bool own, WallTime now, std::string& out) {
  out += '\n';
  cli::AppendPrintable(origin.host.hostname.empty() ? "(no hostname)" : origin.host.hostname, out);
  out += "  " + origin.spool_id.Hex();
  out += own ? "  (written here)\n" : "\n";
  const spool::Host& host = origin.host;
  if (!host.identity().empty()) {
    AppendRow(host.droplet_id.empty() ? "machine" : "droplet", host.identity(), out);
  }
  if (!host.region.empty()) AppendRow("region", host.region, out);
  if (!host.agent_version.empty()) AppendRow("agent", host.agent_version, out);
  AppendRow("records",
            origin.last_sequence == 0 ? "none"
                                      : std::to_string(origin.first_sequence) + " to " +
                                            std::to_string(origin.last_sequence),
            out);
  AppendRow("pending", PendingText(origin, now), out);
  AppendRow("acknowledged", std::to_string(origin.acknowledged_records), out);
  AppendRow("parked",
            std::to_string(origin.parked_records) +
                (origin.parked_records > 0 ? "  (do-agent-spool parked lists them)" : ""),
            out);
  AppendRow("lost", std::to_string(origin.lost_records), out);
  if (const std::string ledger = LedgerText(origin.ledger); !ledger.empty()) {
    AppendRow("ledger", ledger, out);
  }
  AppendRow("missing", MissingText(origin.missing), out);
}

}  // namespace

std::string StatusJson(const spool::SpoolStatus& status, int indent) {
  Json origins = Json::array();
  for (const spool::OriginStatus& origin : status.origins) origins.push_back(OriginJson(origin));
  // A file that was salvaged by command has none before an agent goes on with it.
  const Json spool_id = status.spool_id.IsZero() ? Json() : Json(status.spool_id.Hex());
  const Json object = {{"spool_id", spool_id},
                       {"kind", status.receiver ? "receiver" : "agent"},
                       {"origins", std::move(origins)},
                       {"file_bytes", status.file_bytes},
                       {"spool_bytes_max", status.bytes_max},
                       {"disk_free_bytes", OrNull(status.disk_free_bytes)},
                       {"bytes_per_day", OrNull(status.bytes_per_day)},
                       {"full_in_seconds", OrNull(Seconds(status.time_to_full))},
                       {"forgotten_records", status.forgotten_records},
                       {"series", status.series}};
  // Hostnames come from other machines: what is not UTF-8 is replaced, not thrown at.
  return object.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string StatusText(const spool::SpoolStatus& status, const std::string& path, WallTime now) {
  std::string out;
  cli::AppendPrintable(path, out);
  out += status.receiver ? "  (a receiver's spool)\n" : "  (an agent's spool)\n";
  const bool named = !status.spool_id.IsZero();
  AppendRow("id", named ? status.spool_id.Hex() : "none before an agent goes on with it", out);
  AppendRow("size", SizeText(status.file_bytes), out);
  AppendRow("room", RoomText(status), out);
  if (status.forgotten_records > 0) {
    AppendRow("forgotten", std::to_string(status.forgotten_records) + " records by command", out);
  }
  AppendRow("series", std::to_string(status.series), out);
  for (const spool::OriginStatus& origin : status.origins) {
    AppendOrigin(origin, !status.receiver && origin.spool_id == status.spool_id, now, out);
  }
  if (status.origins.empty()) out += "\nnothing is stored yet\n";
  return out;
}

std::string StatusLine(const spool::SpoolStatus& status, WallTime now) {
  std::uint64_t pending = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t parked = 0;
  std::uint64_t lost = 0;
  std::optional<WallTime> oldest;
  for (const spool::OriginStatus& origin : status.origins) {
    pending += origin.pending_records;
    acknowledged += origin.acknowledged_records;
    parked += origin.parked_records;
    lost += origin.lost_records;
    if (!origin.oldest_pending) continue;
    oldest = oldest ? std::min(*oldest, *origin.oldest_pending) : *origin.oldest_pending;
  }
  std::string out =
      fmt::format("{} origins={} pending={} acknowledged={} parked={} lost={} file_bytes={}",
                  cli::FormatTime(now), status.origins.size(), pending, acknowledged, parked, lost,
                  status.file_bytes);
  if (oldest) out += " oldest_pending=" + cli::FormatTime(*oldest);
  out += '\n';
  return out;
}

}  // namespace doagent::spool_tool
