#include "tools/do-agent-spool/status_command.h"

#include <string>

#include "spool/reader.h"
#include "tools/cli/output.h"
#include "tools/do-agent-spool/status_view.h"

namespace doagent::spool_tool {
namespace {

constexpr std::string_view kClearScreen = "\x1b[H\x1b[2J\x1b[3J";

// Opened anew each time: while a spool is watched it may be set aside and another take its place.
Result<spool::SpoolStatus> ReadStatus(const std::filesystem::path& path) {
  DOAGENT_ASSIGN(const auto reader, spool::Reader::Open(path));
  return reader->Status();
}

std::string Render(const StatusOptions& options, const Environment& environment,
                   const spool::SpoolStatus& status) {
  const WallTime now = environment.now();
  if (options.json) return StatusJson(status, options.watch ? -1 : 2);
  if (!options.watch) return StatusText(status, options.spool.string(), now);
  if (!environment.out_is_terminal) return StatusLine(status, now);
  return std::string(kClearScreen) + StatusText(status, options.spool.string(), now) + "\n" +
         "Ctrl-C ends this.\n";
}

}  // namespace

ExitStatus Status(const StatusOptions& options, const Environment& environment) {
  cli::Output output(environment.out, "standard output");
  do {
    const auto status = ReadStatus(options.spool);
    if (!status) return Report(environment, ExitStatus::kWorld, status.error());
    output.text() += Render(options, environment, *status);
    const auto open = output.Flush();
    if (!open) return Report(environment, ExitStatus::kWorld, open.error());
    if (!*open) break;
  } while (options.watch && !environment.stop_asked(options.interval));
  return ExitStatus::kDone;
}

}  // namespace doagent::spool_tool
