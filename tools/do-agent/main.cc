// do-agent: collects what this host does, keeps it, delivers it.

#include <csignal>
#include <exception>

#include "tools/cli/complain.h"
#include "tools/do-agent/program.h"
#include "uploader/grpc_process.h"

int main(int argc, char** argv) {
  using doagent::agent::ExitStatus;
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away, such as head, shows in write
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error of write, as a full disk is
  try {
    doagent::uploader::SilenceGrpc();
    return static_cast<int>(doagent::agent::RunProgram(
        {.arguments = {argv + 1, argv + argc}, .environment = doagent::cli::ProcessEnvironment()}));
  } catch (const std::exception& error) {  // a library's: our code does not throw
    doagent::cli::Complain("do-agent", error.what());
    return static_cast<int>(ExitStatus::kWorld);
  }
}
