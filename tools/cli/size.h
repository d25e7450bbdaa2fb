// Sizes in bytes as people write them: `64MiB`, `1GiB`, `10MB`, `4096`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "spool/result.h"

namespace doagent::cli {

// A whole number with KiB, MiB, GiB, TiB (powers of 1024), KB, MB, GB, TB (powers of 1000), B, or
// no unit. Errors carry the text and examples; the caller knows the flag or key.
Result<std::uint64_t> ParseSize(std::string_view text);

// Exact, with the largest binary unit that divides it: `64MiB`, `1000`. Reads back as the same.
std::string FormatSize(std::uint64_t bytes);

}  // namespace doagent::cli
