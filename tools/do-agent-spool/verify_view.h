// What a verification tells, as JSON for scripts (an object a line) and as text for a person.
#pragma once

#include <string>

#include "spool/verifier.h"

namespace doagent::spool_tool {

// A line.
std::string FindingJson(const spool::Finding& finding);
std::string FindingText(const spool::Finding& finding);

// What there is of an origin: a line, or a paragraph like a bank statement's.
std::string OriginJson(const spool::OriginSummary& origin);
std::string OriginText(const spool::OriginSummary& origin);

// The end: whether all is well, and if not, what to do. `path` is how the user named the spool.
std::string SummaryJson(const spool::VerifySummary& summary);
std::string SummaryText(const spool::VerifySummary& summary, const std::string& path);

}  // namespace doagent::spool_tool
