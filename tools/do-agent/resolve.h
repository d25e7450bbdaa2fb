// The addresses of an endpoint's name, as the system's resolver knows them.
#pragma once

#include <string>
#include <vector>

#include "spool/result.h"
#include "spool/time.h"
#include "tools/cli/endpoint.h"

namespace doagent::agent {

// At least one address, as text. Waits for the resolver for `patience` at most; what it does then
// is left to a thread that ends by itself. Errors say why there is none.
Result<std::vector<std::string>> Resolve(const cli::HostPort& address, Nanoseconds patience);

}  // namespace doagent::agent
