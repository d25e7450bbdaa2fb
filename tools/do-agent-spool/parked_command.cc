#include "tools/do-agent-spool/parked_command.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

#include "spool/reader.h"
#include "spool/request.h"
#include "tools/cli/output.h"
#include "tools/cli/sample_format.h"
#include "tools/cli/time_text.h"

namespace doagent::spool_tool {
namespace {

using Json = nlohmann::ordered_json;

std::string Line(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void AppendJson(const std::vector<spool::ParkedRecord>& records, std::string& out) {
  for (const spool::ParkedRecord& record : records) {
    out += Line({{"origin", record.spool_id.Hex()},
                 {"sequence", record.sequence},
                 {"parked_at_unix_ms", UnixMilliseconds(record.parked_at)},
                 {"reason", record.reason}});
  }
}

void AppendText(const std::vector<spool::ParkedRecord>& records, std::string& out) {
  if (records.empty()) {
    out += "no record is parked\n";
    return;
  }
  for (const spool::ParkedRecord& record : records) {
    out += cli::FormatTime(record.parked_at) + ' ' + record.spool_id.Hex() + " #" +
           std::to_string(record.sequence) + ' ';
    cli::AppendPrintable(record.reason, out);
    out += '\n';
  }
}

Result<std::string> List(const ParkedOptions& options) {
  DOAGENT_ASSIGN(const auto reader, spool::Reader::Open(options.spool));
  DOAGENT_ASSIGN(const std::vector<spool::ParkedRecord> records, reader->Parked());
  std::string out;
  options.json ? AppendJson(records, out) : AppendText(records, out);
  return out;
}

Result<std::string> Retry(const ParkedOptions& options) {
  DOAGENT_ASSIGN(const spool::RequestOutcome outcome, spool::RequestRetryParked(options.spool));
  if (options.json) return Line({{"records", outcome.records}, {"queued", outcome.queued}});
  if (outcome.records == 0) return std::string("no record is parked\n");
  const std::string records =
      std::to_string(outcome.records) + (outcome.records == 1 ? " record" : " records");
  return outcome.queued ? records + " will be put back by the running agent with its next record\n"
                        : records + " put back; the agent will offer them when it runs\n";
}

}  // namespace

ExitStatus Parked(const ParkedOptions& options, const Environment& environment) {
  auto text = options.retry ? Retry(options) : List(options);
  if (!text) return Report(environment, ExitStatus::kWorld, text.error());
  cli::Output output(environment.out, "standard output");
  output.text() = *std::move(text);
  if (const auto open = output.Flush(); !open) {
    return Report(environment, ExitStatus::kWorld, open.error());
  }
  return ExitStatus::kDone;
}

}  // namespace doagent::spool_tool
