#include "tools/do-agent-spool/environment.h"

#include "tools/cli/complain.h"

namespace doagent::spool_tool {

ExitStatus Report(const Environment& environment, ExitStatus status, const Error& error) {
  cli::Complain("do-agent-spool", error.Message(), environment.err);
  return status;
}

}  // namespace doagent::spool_tool
