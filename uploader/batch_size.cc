#include "uploader/batch_size.h"

#include <algorithm>
#include <chrono>

#include "spool/check.h"

namespace doagent::uploader {
namespace {

// Between the two the limit stays. The slow end is well below the time after which a silent
// receiver is given up (30 s), the quick end well above a group commit and a long round trip.
constexpr Nanoseconds kQuick = std::chrono::seconds(2);
constexpr Nanoseconds kSlow = std::chrono::seconds(8);

}  // namespace

BatchSize::BatchSize(std::size_t max_bytes)
    : max_(max_bytes), limit_(std::min(max_bytes, kInitialBytes)) {
  DOAGENT_CHECK(max_bytes > 0);
}

void BatchSize::OnSettled(std::size_t bytes, Nanoseconds took) {
  if (took > kSlow) {
    // Several that waited in the same queue tell of one cause: those that were cut before the limit
    // was halved do not halve it again.
    if (bytes <= limit_ && bytes * 2 > limit_) OnNothingAcknowledged();
  } else if (took < kQuick && bytes * 2 > limit_) {
    limit_ = limit_ > max_ / 2 ? max_ : limit_ * 2;
  }
}

void BatchSize::OnNothingAcknowledged() {
  limit_ = std::min(limit_, std::max(limit_ / 2, kMinBytes));
}

}  // namespace doagent::uploader
