#include "tools/do-agent-spool/salvage_command.h"

#include <nlohmann/json.hpp>

#include <string>

#include "spool/salvage_file.h"
#include "tools/cli/output.h"
#include "tools/do-agent-spool/progress_line.h"

namespace doagent::spool_tool {
namespace {

using Json = nlohmann::ordered_json;

std::string TextOf(const spool::SalvagedFile& salvaged, const SalvageOptions& options) {
  std::string text =
      std::to_string(salvaged.records) + " records are in " + options.output.string() + " now\n";
  for (const auto& loss : salvaged.losses) {
    text += "origin " + loss.spool_id.Hex() + ": " + std::to_string(loss.sequences.count()) +
            " records were not found:";
    constexpr std::size_t kShown = 20;
    const auto ranges = loss.sequences.ToVector();
    for (std::size_t i = 0; i < ranges.size() && i < kShown; ++i) {
      text += ' ' + std::to_string(ranges[i].first);
      if (ranges[i].last != ranges[i].first) text += '-' + std::to_string(ranges[i].last);
    }
    if (ranges.size() > kShown) {
      text += " and " + std::to_string(ranges.size() - kShown) + " more ranges";
    }
    text += '\n';
  }
  return text;
}

std::string JsonOf(const spool::SalvagedFile& salvaged) {
  Json losses = Json::array();
  for (const auto& loss : salvaged.losses) {
    Json ranges = Json::array();
    for (const auto& [first, last] : loss.sequences.ToVector()) {
      ranges.push_back(Json::array({first, last}));
    }
    losses.push_back({{"origin", loss.spool_id.Hex()},
                      {"records", loss.sequences.count()},
                      {"ranges", std::move(ranges)}});
  }
  return Json{{"records", salvaged.records}, {"lost", std::move(losses)}}.dump() + "\n";
}

}  // namespace

ExitStatus SalvageWreck(const SalvageOptions& options, const Environment& environment) {
  ProgressLine progress(environment);
  const auto salvaged = spool::SalvageFile(
      options.spool, options.output, environment.now(), [&progress](double done) {
        if (!progress.Due()) return;
        progress.Show("salvaging, " + std::to_string(static_cast<int>(done * 100)) + " % done");
      });
  progress.Clear();
  if (!salvaged) return Report(environment, ExitStatus::kWorld, salvaged.error());
  cli::Output output(environment.out, "standard output");
  output.text() = options.json ? JsonOf(*salvaged) : TextOf(*salvaged, options);
  const auto open = output.Flush();
  return open ? ExitStatus::kDone : Report(environment, ExitStatus::kWorld, open.error());
}

}  // namespace doagent::spool_tool
