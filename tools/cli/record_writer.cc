#include "tools/cli/record_writer.h"

namespace doagent::cli {

std::string_view Name(spool::DeliveryState state) {
  switch (state) {
    case spool::DeliveryState::kLocal: return "local";
    case spool::DeliveryState::kPending: return "pending";
    case spool::DeliveryState::kAcknowledged: return "acknowledged";
    case spool::DeliveryState::kParked: return "parked";
  }
  return "unknown";
}

}  // namespace doagent::cli
