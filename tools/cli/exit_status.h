// What every program of ours returns to the shell. Scripts may rely on it.
#pragma once

namespace doagent::cli {

enum class ExitStatus : int {
  kDone = 0,
  kNo = 1,     // the answer is no: damage was found, a check or a collector failed
  kUsage = 2,  // a wrong option, value or configuration file
  kWorld = 3,  // cannot open, write, connect or listen
};

}  // namespace doagent::cli
