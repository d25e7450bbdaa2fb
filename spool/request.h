// What a tool wants changed on a spool. A spool has one writer; while an agent runs, a tool puts
// its wish into the request table, and the agent carries it out with its next append. Without an
// agent the tool takes the lock and does it itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "spool/ids.h"
#include "spool/model.h"
#include "spool/result.h"
#include "spool/sqlite.h"

namespace doagent::spool {

struct RequestOutcome {
  bool queued = false;        // a running agent will do it
  std::uint64_t records = 0;  // concerned, as of now
};

// Puts all parked records back among the pending ones. kRefuse: not an agent's spool.
Result<RequestOutcome> RequestRetryParked(const std::filesystem::path& spool);

// What a command to forget is about.
struct ForgetPlan {
  struct Origin {
    SpoolId spool_id;
    Host host;
    std::uint64_t records = 0;
  };
  std::vector<Origin> origins;
};

// The origins of this id or hostname: one of the two is given. kRefuse: there is none, or it is the
// one that the spool's own agent writes.
Result<ForgetPlan> PlanToForget(const std::filesystem::path& spool,
                                const std::optional<SpoolId>& origin,
                                const std::optional<std::string>& host);

// Removes them with everything of theirs.
Result<RequestOutcome> RequestForget(const std::filesystem::path& spool, const ForgetPlan& plan);

// What the owner of the spool did for the requests that it found.
struct RequestsDone {
  bool parked_put_back = false;
  bool forget_wanted = false;  // not done: see forget.h
};

// Carries out and removes what is requested. REQUIRES a write transaction.
Result<RequestsDone> ExecuteRequests(Database& database);

}  // namespace doagent::spool
