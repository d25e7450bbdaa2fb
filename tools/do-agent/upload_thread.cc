#include "tools/do-agent/upload_thread.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <utility>

#include "tools/cli/duration.h"
#include "tools/cli/version.h"
#include "uploader/grpc_transport.h"

namespace doagent::agent {

Result<std::unique_ptr<FallbackTransport>> MakeTransport(const DeliverySettings& settings) {
  std::vector<FallbackTransport::Choice> choices;
  for (const cli::Endpoint& endpoint : settings.endpoints) {
    uploader::GrpcTransportOptions options;
    options.target = endpoint.address.Text();
    options.tls = endpoint.tls;
    if (endpoint.tls) {
      options.tls_ca = settings.tls_ca;
      options.tls_cert = settings.tls_cert;
      options.tls_key = settings.tls_key;
    }
    options.token_file = settings.token_file;
    options.agent_version = cli::kVersion;
    DOAGENT_ASSIGN(auto transport, uploader::MakeGrpcTransport(std::move(options)));
    choices.push_back({endpoint.Url(), std::move(transport)});
  }
  return std::make_unique<FallbackTransport>(std::move(choices));
}

UploadThread::UploadThread(spool::Spool& spool, std::unique_ptr<FallbackTransport> transport,
                           uploader::UploaderOptions options, std::function<Instant()> now,
                           Nanoseconds interval, spdlog::logger& log)
    : spool_(spool),
      transport_(std::move(transport)),
      options_(std::move(options)),
      now_(std::move(now)),
      interval_(interval),
      log_(log) {
  spool_.OnAppend([this] { transport_->Wake(); });
  thread_ = std::thread([this] { Run(); });
}

UploadThread::~UploadThread() {
  Stop(Nanoseconds(0));
}

void UploadThread::Stop(Nanoseconds patience) {
  if (!thread_.joinable()) return;
  end_by_ = now_().mono + patience;
  stopping_.store(true, std::memory_order_release);
  transport_->Wake();
  thread_.join();
  spool_.OnAppend(nullptr);
}

void UploadThread::Run() {
  pthread_setname_np(pthread_self(), "upload");
  uploader::Uploader uploader(spool_, *transport_, options_);
  Instant now = now_();
  uploader.Step(now.mono, now.wall, std::nullopt);
  while (true) {
    Log(uploader);
    MonoTime deadline = uploader.NextDeadline();
    if (stopping_.load(std::memory_order_acquire)) {
      if (MayEnd(uploader.Status(), now.mono)) break;
      deadline = std::min(deadline, end_by_);
    }
    auto event = transport_->Wait(deadline);
    now = now_();
    uploader.Step(now.mono, now.wall, std::move(event));
  }
  final_status_ = uploader.Status();
  transport_->Close();
}

bool UploadThread::MayEnd(const uploader::UploaderStatus& status, MonoTime now) const {
  return status.state != uploader::State::kStreaming || status.drained || now >= end_by_;
}

void UploadThread::Log(uploader::Uploader& uploader) {
  for (const uploader::Notice& notice : uploader.TakeNotices()) {
    const std::string line = "delivery to " + transport_->current_url() + ": " + notice.text;
    switch (notice.severity) {
      case uploader::Notice::Severity::kInfo: log_.info(line); break;
      case uploader::Notice::Severity::kWarning: log_.warn(line); break;
      case uploader::Notice::Severity::kError: log_.error(line); break;
    }
  }
  const auto wanted = uploader.Status().interval_wanted;
  if (wanted == interval_wanted_) return;
  interval_wanted_ = wanted;
  if (wanted.count() <= 0 || wanted == interval_) return;
  log_.info("the receiver would like a snapshot every " + cli::FormatDuration(wanted) +
            "; this agent keeps to its own interval of " + cli::FormatDuration(interval_));
}

}  // namespace doagent::agent
