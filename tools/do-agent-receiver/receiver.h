// The receiver put together: spool, store queue, service, server.
#pragma once

#include <spdlog/logger.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "spool/result.h"
#include "tools/do-agent-receiver/options.h"

namespace doagent::receiver {

class Receiver {
 public:
  // Opens the spool and listens. `random` seeds ids. kRefuse: a setting or a file that it names is
  // wrong; else the spool or the address cannot be had. REQUIRES that the logger outlives it.
  static Result<std::unique_ptr<Receiver>> Start(const ReceiverOptions& options,
                                                 std::function<std::uint64_t()> random,
                                                 spdlog::logger& log);
  // Stops.
  ~Receiver();

  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  const cli::HostPort& address() const;

  // Ends all sessions and the listening, stores what is at hand, and returns within about a second;
  // what was acknowledged is durable all along. Where its file was removed a moment ago, what was
  // in it is put into another one first, which takes longer. False: that could not be done.
  bool Stop();

 private:
  class Impl;
  explicit Receiver(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace doagent::receiver
