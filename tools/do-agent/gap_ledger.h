// Counts the snapshots that should be in the spool and never will be, until an event there says so.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "spool/model.h"
#include "spool/time.h"

namespace doagent::agent {

enum class GapCause {
  kLate,       // not taken: the agent or the machine was too slow
  kSuspended,  // not taken: the machine slept
  kRejected,   // taken, but more than a record may hold
};

class GapLedger {
 public:
  // `why` is kept from the first call until the gap is settled. REQUIRES count > 0.
  void Add(GapCause cause, std::uint64_t count, WallTime when, const std::string& why);

  // Since when something has been waiting to be settled.
  std::optional<WallTime> since() const;

  // The event for one of the gaps, without its times and boot id; nothing: there is no gap. The
  // gap stays until it is settled, so that a failing append loses no count.
  std::optional<spool::Event> Next() const;
  // The event of the last Next is stored.
  void SettleNext();

 private:
  struct Gap {
    std::uint64_t count = 0;
    WallTime since;
    std::string why;
  };
  std::optional<std::size_t> First() const;

  std::array<Gap, 3> gaps_;  // by cause
};

}  // namespace doagent::agent
