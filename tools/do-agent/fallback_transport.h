// Several endpoints as one transport: the first is preferred; when an attempt fails, the next one
// goes to the next endpoint; when a session has ended, the first has its turn again.
// Thread-safety: as uploader/transport.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "uploader/transport.h"

namespace doagent::agent {

class FallbackTransport final : public uploader::Transport {
 public:
  struct Choice {
    std::string url;
    std::unique_ptr<uploader::Transport> transport;
  };

  // REQUIRES one choice at least.
  explicit FallbackTransport(std::vector<Choice> choices);

  void Open(const std::vector<spool::Claim>& claims) override;
  void Send(uploader::OutgoingBatch batch) override;
  void Close() override;
  std::optional<uploader::TransportEvent> Wait(MonoTime deadline) override;
  void Wake() override;

  // Of the session, or the attempt, that was opened last.
  const std::string& current_url() const { return choices_[current_].url; }

 private:
  uploader::Transport& current() { return *choices_[current_].transport; }

  std::vector<Choice> choices_;
  std::size_t current_ = 0;
  bool attempted_ = false;  // an attempt was made, and no Welcome has answered it
};

}  // namespace doagent::agent
