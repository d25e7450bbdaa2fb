// What a tool wants changed on a spool. A spool has one writer; while an agent runs, a tool puts
// its wish into the request table, and the agent carries it out with its next append. Without an
// agent the tool takes the lock and does it itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "spool/result.h"
#include "spool/sqlite.h"

namespace doagent::spool {

struct RequestOutcome {
  bool queued = false;        // a running agent will do it
  std::uint64_t records = 0;  // concerned, as of now
};

// Puts all parked records back among the pending ones. kRefuse: not an agent's spool.
Result<RequestOutcome> RequestRetryParked(const std::filesystem::path& spool);

// What the owner of the spool did for the requests that it found.
struct RequestsDone {
  bool parked_put_back = false;
};

// Carries out and removes what is requested. REQUIRES a write transaction.
Result<RequestsDone> ExecuteRequests(Database& database);

}  // namespace doagent::spool
