#include "tools/do-agent-spool/environment.h"

#include <string>

#include "tools/cli/sample_format.h"

namespace doagent::spool_tool {

ExitStatus Report(const Environment& environment, ExitStatus status, const Error& error) {
  // A message may quote what another machine sent: no control characters to the terminal.
  std::string line = "do-agent-spool: ";
  cli::AppendPrintable(error.Message(), line);
  line += '\n';
  std::fputs(line.c_str(), environment.err);
  std::fflush(environment.err);
  return status;
}

}  // namespace doagent::spool_tool
