// A spool's status as JSON for scripts, and as text for a person.
#pragma once

#include <string>

#include "spool/reader.h"
#include "spool/time.h"

namespace doagent::spool_tool {

// One object: spool_id, kind, origins, file_bytes, series. `indent` -1: on one line.
std::string StatusJson(const spool::SpoolStatus& status, int indent);

// A screen: the spool, then a paragraph for each origin. `path` is how the user named the spool.
std::string StatusText(const spool::SpoolStatus& status, const std::string& path, WallTime now);

// One line, for a watch whose output is no terminal.
std::string StatusLine(const spool::SpoolStatus& status, WallTime now);

}  // namespace doagent::spool_tool
