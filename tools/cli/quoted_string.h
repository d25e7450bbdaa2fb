// String literals as PromQL has them: Go's.
#pragma once

#include <string>
#include <string_view>

#include "spool/result.h"
#include "tools/cli/scanner.h"

namespace doagent::cli {

// Reads '…' or "…" with escapes (\a \b \f \n \r \t \v \\ \' \" \ooo \xhh \uhhhh \Uhhhhhhhh) or
// `…` without. kRefuse: none comes next, it does not end, an unknown escape; the error points at
// it.
Result<std::string> ReadQuotedString(Scanner& scanner);

// The literal in double quotes that reads back as the same bytes.
void AppendQuotedString(std::string_view text, std::string& out);

}  // namespace doagent::cli
