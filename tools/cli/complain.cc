#include "tools/cli/complain.h"

#include <cstdlib>
#include <string>

#include "tools/cli/logging.h"
#include "tools/cli/sample_format.h"

namespace doagent::cli {

void Complain(std::string_view program, std::string_view message, std::FILE* err) {
  std::string line;
  if (err == stderr && StyleForStderr(std::getenv("JOURNAL_STREAM")) == LogStyle::kJournal) {
    line = "<3>";  // syslog(3)'s LOG_ERR, as sd-daemon(3) has it
  }
  line += program;
  line += ": ";
  AppendPrintable(message, line);
  line += '\n';
  std::fputs(line.c_str(), err);
  std::fflush(err);
}

}  // namespace doagent::cli
