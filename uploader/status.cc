#include "uploader/status.h"

namespace doagent::uploader {

std::string_view Name(State state) {
  switch (state) {
    case State::kBackoff: return "backoff";
    case State::kConnecting: return "connecting";
    case State::kStreaming: return "streaming";
    case State::kPaused: return "paused";
    case State::kServerPause: return "server_pause";
  }
  return "unknown";
}

}  // namespace doagent::uploader
