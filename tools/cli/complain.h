// How every program of ours reports an error where it has no log: one line on stderr.
#pragma once

#include <cstdio>
#include <string_view>

namespace doagent::cli {

// Writes "PROGRAM: MESSAGE" as one line. A message may quote a file or another machine, so control
// characters are escaped. Where stderr is the journal, the line gets an error's priority.
void Complain(std::string_view program, std::string_view message, std::FILE* err = stderr);

}  // namespace doagent::cli
