#include "tools/do-agent/fallback_transport.h"

#include <utility>
#include <variant>

#include "spool/check.h"

namespace doagent::agent {

FallbackTransport::FallbackTransport(std::vector<Choice> choices) : choices_(std::move(choices)) {
  DOAGENT_CHECK(!choices_.empty());
}

void FallbackTransport::Open(const std::vector<spool::Claim>& claims) {
  current_ = attempted_ ? (current_ + 1) % choices_.size() : 0;
  attempted_ = true;
  current().Open(claims);
}

void FallbackTransport::Send(uploader::OutgoingBatch batch) {
  current().Send(std::move(batch));
}

void FallbackTransport::Close() {
  current().Close();
}

std::optional<uploader::TransportEvent> FallbackTransport::Wait(MonoTime deadline) {
  // What is over at the other endpoints is put away: a session that has ended keeps its connection
  // until somebody looks.
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    if (i != current_) choices_[i].transport->Wait(MonoTime());
  }
  auto event = current().Wait(deadline);
  if (event && std::holds_alternative<uploader::Welcome>(*event)) attempted_ = false;
  return event;
}

// From any thread, so without looking at which one is current: a needless wake-up is harmless.
void FallbackTransport::Wake() {
  for (const Choice& choice : choices_) choice.transport->Wake();
}

}  // namespace doagent::agent
