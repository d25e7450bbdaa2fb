#include "uploader/backoff.h"

#include <algorithm>
#include <utility>

#include "spool/check.h"

namespace doagent::uploader {

Nanoseconds Jitter(Nanoseconds low, Nanoseconds high, const std::function<double()>& random) {
  // A faulty source must not turn into a negative or an endless delay.
  const double draw = std::clamp(random(), 0.0, 1.0);
  const auto span = static_cast<double>((high - low).count());
  return low + Nanoseconds(static_cast<Nanoseconds::rep>(draw * span));
}

Backoff::Backoff(Nanoseconds min, Nanoseconds max, std::function<double()> random)
    : min_(min), max_(max), ceiling_(min), random_(std::move(random)) {
  DOAGENT_CHECK(min > Nanoseconds(0) && min <= max);
  DOAGENT_CHECK(random_ != nullptr);
}

Nanoseconds Backoff::Next() {
  const auto floor = std::max(Nanoseconds(1), min_ / 10);
  const auto delay = Jitter(floor, ceiling_, random_);
  ceiling_ = ceiling_ > max_ / 2 ? max_ : ceiling_ * 2;
  return delay;
}

}  // namespace doagent::uploader
