// do-agent-receiver: the reference endpoint of docs/protocol.md.

#include <signal.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <random>
#include <variant>

#include "tools/cli/complain.h"
#include "tools/cli/exit_status.h"
#include "tools/cli/logging.h"
#include "tools/cli/stop_signals.h"
#include "tools/do-agent-receiver/options.h"
#include "tools/do-agent-receiver/receiver.h"
#include "uploader/grpc_process.h"

namespace {

using doagent::cli::ExitStatus;

ExitStatus Complain(ExitStatus status, const doagent::Error& error) {
  doagent::cli::Complain("do-agent-receiver", error.Message());
  return status;
}

std::uint64_t Random() {
  std::random_device device;  // the kernel's
  return (std::uint64_t{device()} << 32) | device();
}

ExitStatus Run(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);  // a reader of our output that goes away is no reason to stop
  signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error of write, as a full disk is
  doagent::cli::StopSignals stop_signals;  // before there are threads
  const auto parsed = doagent::receiver::ParseOptions({argv + 1, argv + argc});
  if (!parsed) return Complain(ExitStatus::kUsage, parsed.error());
  if (const auto* answer = std::get_if<doagent::cli::Answer>(&*parsed)) {
    std::cout << answer->text << std::flush;
    return ExitStatus::kDone;
  }
  const auto* options = &std::get<doagent::receiver::ReceiverOptions>(*parsed);

  doagent::uploader::SilenceGrpc();
  const auto log =
      doagent::cli::MakeStderrLogger("do-agent-receiver", options->log_level,
                                     doagent::cli::StyleForStderr(std::getenv("JOURNAL_STREAM")));
  const auto receiver = doagent::receiver::Receiver::Start(*options, Random, *log);
  if (!receiver) {
    const bool settings = receiver.error().code == doagent::ErrorCode::kRefuse;
    return Complain(settings ? ExitStatus::kUsage : ExitStatus::kWorld, receiver.error());
  }
  std::cout << "listening on " << (*receiver)->address().Text() << std::endl;

  log->info("stopping: {}", stop_signals.Wait());
  return (*receiver)->Stop() ? ExitStatus::kDone : ExitStatus::kWorld;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return static_cast<int>(Run(argc, argv));
  } catch (const std::exception& error) {  // a library's: our code does not throw
    doagent::cli::Complain("do-agent-receiver", error.what());
    return static_cast<int>(ExitStatus::kWorld);
  }
}
