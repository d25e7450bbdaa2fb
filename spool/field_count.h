// How many fields a protobuf message has, counted before it is parsed: parsing allocates about 100
// bytes for the two bytes of an empty element, so a limit on bytes is none on memory. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace doagent::spool {

// Which of a message's fields are messages whose fields count too, by their numbers.
struct FieldTree {
  std::uint32_t number = 0;
  std::vector<FieldTree> messages;
};

// Nothing: these bytes are no such message.
std::optional<std::size_t> CountFields(std::string_view bytes,
                                       const std::vector<FieldTree>& messages);

}  // namespace doagent::spool
