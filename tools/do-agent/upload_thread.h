// The thread that delivers: steps the uploader with what the network and the spool bring.
#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "spool/result.h"
#include "spool/spool.h"
#include "spool/time.h"
#include "tools/do-agent/clock.h"
#include "tools/do-agent/fallback_transport.h"
#include "tools/do-agent/settings.h"
#include "uploader/uploader.h"

namespace doagent::agent {

// A gRPC transport over the endpoints. REQUIRES one endpoint at least.
Result<std::unique_ptr<FallbackTransport>> MakeTransport(const DeliverySettings& settings);

class UploadThread {
 public:
  // Starts. REQUIRES that spool and log outlive it; that `now` may be called from any thread.
  UploadThread(spool::Spool& spool, std::unique_ptr<FallbackTransport> transport,
               uploader::UploaderOptions options, std::function<Instant()> now,
               Nanoseconds interval, spdlog::logger& log);
  ~UploadThread();

  UploadThread(const UploadThread&) = delete;
  UploadThread& operator=(const UploadThread&) = delete;

  // Ends the thread: at once when there is no session, else as soon as everything is acknowledged,
  // and after `patience` in any case. To be called from the thread that appends to the spool.
  void Stop(Nanoseconds patience);

  // How it stood at the end. REQUIRES Stop.
  const uploader::UploaderStatus& final_status() const { return final_status_; }

 private:
  void Run();
  void Log(uploader::Uploader& uploader);
  bool MayEnd(const uploader::UploaderStatus& status, MonoTime now) const;

  spool::Spool& spool_;
  const std::unique_ptr<FallbackTransport> transport_;
  const uploader::UploaderOptions options_;
  const std::function<Instant()> now_;
  const Nanoseconds interval_;  // between snapshots
  spdlog::logger& log_;

  std::chrono::milliseconds interval_wanted_{0};  // by the receiver, as logged last
  uploader::UploaderStatus final_status_;

  MonoTime end_by_;  // written before stopping_
  std::atomic<bool> stopping_{false};
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace doagent::agent
