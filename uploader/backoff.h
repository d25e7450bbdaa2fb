// How long to wait before trying again.
//
// Full jitter: each delay is uniform over a span whose upper end doubles from min to max. The draw
// comes after the cap, so that a fleet that has been cut off for hours does not come back in step.
// The span begins at a tenth of min, not at 0: a lucky draw is no busy loop. Not thread-safe.
#pragma once

#include <chrono>
#include <functional>

#include "spool/time.h"

namespace doagent::uploader {

// Uniform over [low, high). `random` is uniform in [0, 1).
Nanoseconds Jitter(Nanoseconds low, Nanoseconds high, const std::function<double()>& random);

class Backoff {
 public:
  // REQUIRES 0 < min <= max and a random that is uniform in [0, 1).
  Backoff(Nanoseconds min, Nanoseconds max, std::function<double()> random);

  // The delay before the next attempt; always positive, and the span grows with each call.
  Nanoseconds Next();
  // Something succeeded: the next delay is a short one again.
  void Reset() { ceiling_ = min_; }

 private:
  Nanoseconds min_;
  Nanoseconds max_;
  Nanoseconds ceiling_;
  std::function<double()> random_;
};

}  // namespace doagent::uploader
