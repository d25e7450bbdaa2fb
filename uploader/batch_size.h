// How large a batch may be on this link.
//
// A megabyte takes two minutes at 64 kbit/s: longer than a silent receiver is waited for, and all
// of it is sent again when the link drops. So batches start small, double while the receiver
// acknowledges quickly, and halve when it takes long or a session ends with nothing acknowledged.
// What is in flight in all follows (kBatchesInWindow). Not thread-safe.
#pragma once

#include <cstddef>

#include "spool/time.h"

namespace doagent::uploader {

class BatchSize {
 public:
  static constexpr std::size_t kInitialBytes = std::size_t{64} << 10;
  static constexpr std::size_t kMinBytes = std::size_t{4} << 10;
  // Enough to keep the link and the receiver's disk busy at the same time.
  static constexpr std::size_t kBatchesInWindow = 4;

  // REQUIRES max_bytes > 0, the most that a batch may ever have.
  explicit BatchSize(std::size_t max_bytes);

  std::size_t limit_bytes() const { return limit_; }

  // A batch of so many bytes was settled so long after it was handed to the transport.
  void OnSettled(std::size_t bytes, Nanoseconds took);
  // The session ended without any acknowledgement while batches were in flight.
  void OnNothingAcknowledged();

 private:
  std::size_t max_;
  std::size_t limit_;
};

}  // namespace doagent::uploader
