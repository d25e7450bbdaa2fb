// Where SQLite's result codes become our errors. Of sqlite*.cc alone.
#pragma once

#include <string>

#include "spool/result.h"

struct sqlite3;

namespace doagent::spool {

// handle: of the connection, null where there is none. To be called at once: errno is then that of
// the call that failed.
tl::unexpected<Error> FailWith(sqlite3* handle, const std::string& path, int code);

}  // namespace doagent::spool
